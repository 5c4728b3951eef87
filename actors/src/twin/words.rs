//! From an answer to the decision on the wire: what the lane shows and says.

use std::borrow::Cow;

use serde_json::Map;
use shanmen_protocols::{
    device::{Decision, DecisionResult, HOLD_DEFAULT_MS, Show},
    ids::ScanId,
    reason::{Lang, Light, Reason},
};
use shanmen_rules::{Need, Park};

use crate::ledger::Answer;

/// The decision for an answer.
pub(crate) fn decision(park: &Park, answer: &Answer, lang: Lang) -> Decision {
    Decision {
        id: answer.scan,
        result: answer.result,
        grant: answer.grant,
        reason: answer.reason,
        persons: u32::from(answer.persons),
        hold_ms: HOLD_DEFAULT_MS,
        needs: answer.needs.iter().map(|need| Cow::Borrowed(need_word(need))).collect(),
        show: show(park, answer, lang),
        facts: answer.facts.as_deref().cloned().unwrap_or_default(),
    }
}

/// A refusal that no rule was asked for: a full queue, a closed device.
pub(crate) fn refusal(id: ScanId, reason: Reason, lang: Lang) -> Decision {
    let row = reason.row();
    Decision {
        id,
        result: DecisionResult::Deny,
        grant: None,
        reason,
        persons: 0,
        hold_ms: HOLD_DEFAULT_MS,
        needs: Vec::new(),
        show: Show {
            title: Cow::Borrowed(row.display.in_lang(lang)),
            text: Cow::Borrowed(""),
            voice: Cow::Borrowed(row.voice.in_lang(lang)),
            light: row.light,
            lang,
        },
        facts: Map::new(),
    }
}

fn show(park: &Park, answer: &Answer, lang: Lang) -> Show {
    let row = answer.reason.row();
    let product = answer.product.map(|ix| park.product(ix));
    let name = product.map_or(Cow::Borrowed(""), |product| {
        let name = match lang {
            Lang::Zh => &product.name.zh,
            Lang::En => &product.name.en,
        };
        Cow::Owned(name.clone())
    });
    let voice = row.voice.in_lang(lang);
    // Concession classes announce themselves to the attendant (学生票, 老人票, 儿童票).
    let voice = match product {
        Some(product)
            if answer.result == DecisionResult::Grant && product.class.is_concession() =>
        {
            Cow::Owned(match lang {
                Lang::Zh => format!("{name}，{voice}"),
                Lang::En => format!("{name}. {voice}"),
            })
        }
        _ => Cow::Borrowed(voice),
    };
    let light = match answer.result {
        DecisionResult::Grant => Light::Green,
        DecisionResult::More | DecisionResult::Wait => Light::Yellow,
        DecisionResult::Deny => row.light,
    };
    Show { title: Cow::Borrowed(row.display.in_lang(lang)), text: name, voice, light, lang }
}

fn need_word(need: Need) -> &'static str {
    match need {
        Need::IdCard => "id_card",
        Need::Face => "face",
        Need::Attendant => "attendant",
    }
}
