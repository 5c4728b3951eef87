//! What a frame means for the state, and how it reads on the wire.

use super::*;
use crate::ids::SiteId;

fn alarm(id: u64, active: bool) -> Alarm {
    Alarm {
        id,
        code: "jam".into(),
        at: UnixMs(0),
        device: None,
        lane: None,
        area: None,
        acknowledged: false,
        active,
    }
}

fn empty() -> Snapshot {
    Snapshot {
        site: SiteInfo {
            id: SiteId::new("h").unwrap(),
            name: Text::default(),
            timezone: "Asia/Shanghai".into(),
            plan: Plan::default(),
        },
        areas: vec![],
        gates: vec![],
        lanes: vec![],
        today: Today::default(),
        alarms: vec![],
        recent: vec![],
        past: Past::default(),
    }
}

#[test]
fn an_alarm_that_is_over_leaves_the_glass() {
    let mut state = empty();
    state.apply(&Delta { alarms: vec![alarm(1, true), alarm(2, true)], ..Delta::default() });
    state.apply(&Delta { alarms: vec![alarm(1, false)], ..Delta::default() });
    assert_eq!(state.alarms, vec![alarm(2, true)]);
}

#[test]
fn rows_take_the_place_of_their_own_in_whatever_order_they_come() {
    let apply = |new: &[(u8, u8)]| {
        let mut rows = vec![(1, 0), (2, 0), (3, 0), (4, 0)];
        replace_rows(&mut rows, new, |a, b| a.0 == b.0);
        rows
    };
    assert_eq!(apply(&[(2, 1), (4, 1)]), [(1, 0), (2, 1), (3, 0), (4, 1)]);
    assert_eq!(apply(&[(4, 1), (2, 1), (1, 1)]), [(1, 1), (2, 1), (3, 0), (4, 1)]);
    assert_eq!(apply(&[(5, 1), (3, 1), (5, 2)]), [(1, 0), (2, 0), (3, 1), (4, 0), (5, 2)]);
}

#[test]
fn a_frame_is_one_flat_object_with_its_type() {
    let state = empty();
    let frame = Frame::Snapshot { seq: 7, at: UnixMs(1), state: &state };
    let json = serde_json::to_value(&frame).unwrap();
    assert_eq!(json["type"], "snapshot");
    assert_eq!(json["seq"], 7);
    assert_eq!(json["site"]["id"], "h");
    let delta = Delta { alarms: vec![alarm(1, true)], ..Delta::default() };
    let json = serde_json::to_value(Frame::Delta { seq: 8, at: UnixMs(1), changes: &delta });
    let json = json.unwrap();
    assert_eq!(json["type"], "delta");
    assert!(json.get("areas").is_none(), "only what changed");
}
