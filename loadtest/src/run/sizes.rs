//! How large a scan and its decision are on the wire: what the echo has to be like.

use std::borrow::Cow;

use shanmen_devices::clock::Clock as DeviceClock;
use shanmen_protocols::{
    device::{
        Credential, CredentialKind, Decision, DecisionResult, Down, HOLD_DEFAULT_MS, Scan, Show,
        TTL_DEFAULT_MS,
    },
    ids::{Direction, GrantId, LaneId, ScanId},
    reason::{Lang, Reason},
};

use crate::park::lane_id;

/// About the length of a signed code.
const CODE_BYTES: usize = 290;

/// Something as long as a signed code.
pub(super) fn sample() -> String {
    "S".repeat(CODE_BYTES)
}

/// The sizes of a scan with this code and of its grant, as they are on the wire.
pub(super) fn sizes(code: &str) -> (usize, usize) {
    let scan = Scan {
        time: DeviceClock::default().time_block(),
        id: ScanId::fresh(),
        lane: LaneId::new(&lane_id(0)).ok(),
        direction: Direction::In,
        credential: Credential { kind: CredentialKind::Qr, data: code.to_owned() },
        ttl_ms: TTL_DEFAULT_MS,
        attempt: 1,
        operator: None,
        confirm: None,
    };
    let row = Reason::Ok.row();
    let show = Show {
        title: Cow::Borrowed(row.display.in_lang(Lang::Zh)),
        text: Cow::Borrowed(""),
        voice: Cow::Borrowed(row.voice.in_lang(Lang::Zh)),
        light: row.light,
        lang: Lang::Zh,
    };
    let decision = Down::Decision(Decision {
        id: scan.id,
        result: DecisionResult::Grant,
        grant: Some(GrantId::fresh()),
        reason: Reason::Ok,
        persons: 1,
        hold_ms: HOLD_DEFAULT_MS,
        needs: Vec::new(),
        show,
        facts: serde_json::Map::new(),
    });
    let bytes = |json: Result<Vec<u8>, _>| json.map_or(0, |json: Vec<u8>| json.len());
    (bytes(serde_json::to_vec(&scan)), bytes(serde_json::to_vec(&decision)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_as_large_as_a_scan_and_its_decision() {
        let (question, answer) = sizes(&sample());
        assert!((450..700).contains(&question), "{question}");
        assert!((250..500).contains(&answer), "{answer}");
    }
}
