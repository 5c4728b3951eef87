//! From a verdict to the answer that is kept: what was decided, and what helps the visitor.

use serde_json::{Map, Value, json};
use shanmen_protocols::{device::DecisionResult, ids::GrantId};
use shanmen_rules::{Admission, Facts, Needs, Park, TicketState, Verdict};

use super::Ask;
use crate::ledger::Answer;

/// The answer to a presentation.
pub(super) fn word(
    park: &Park,
    ask: &Ask,
    state: Option<&TicketState>,
    verdict: Verdict,
    grant: Option<GrantId>,
) -> Answer {
    let (result, persons, needs, facts) = match verdict {
        Verdict::Grant(admission) => {
            (DecisionResult::Grant, admission.persons, Needs::NONE, flagged(&admission))
        }
        Verdict::More { needs, .. } => (DecisionResult::More, 0, needs, None),
        Verdict::Deny { facts, .. } => {
            (DecisionResult::Deny, 0, Needs::NONE, facts_as_json(park, &facts))
        }
    };
    Answer {
        scan: ask.scan,
        lane: ask.presentation.lane,
        direction: ask.presentation.direction,
        at: ask.presentation.at,
        ticket: state.and(ask.ticket),
        product: state.map(TicketState::product),
        result,
        reason: verdict.reason(),
        grant,
        persons,
        needs,
        facts: facts.map(Box::new),
    }
}

fn flagged(admission: &Admission) -> Option<Map<String, Value>> {
    let mut facts = Map::new();
    for (name, set) in [
        ("reentry", admission.reentry),
        ("anti_passback", admission.flagged),
        ("overridden", admission.overridden),
    ] {
        if set {
            facts.insert(name.into(), Value::Bool(true));
        }
    }
    (!facts.is_empty()).then_some(facts)
}

fn facts_as_json(park: &Park, facts: &Facts) -> Option<Map<String, Value>> {
    let known = [
        ("used_at", facts.used_at.map(|at| json!(at))),
        ("gate", facts.gate.map(|gate| json!(park.gate(gate).id))),
        ("come_back_at", facts.come_back_at.map(|at| json!(at))),
        ("valid_from", facts.valid_from.map(|day| json!(day.to_string()))),
        ("valid_until", facts.valid_until.map(|day| json!(day.to_string()))),
        ("count", facts.count.map(|count| json!(count))),
        ("capacity", facts.capacity.map(|capacity| json!(capacity))),
        ("area", facts.area.map(|area| json!(park.area(area).id))),
    ];
    let map: Map<String, Value> = known
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
        .collect();
    (!map.is_empty()).then_some(map)
}
