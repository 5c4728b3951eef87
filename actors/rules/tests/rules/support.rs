//! A small park for tests, written as an operator writes it.

use shanmen_protocols::{ids::Direction, reason::Reason, time::UnixMs};
use shanmen_rules::{
    AreaIx, Boundless, Day, IssueTerms, LaneIx, OpenGrant, Park, ParkDefinition, Presentation,
    Room, Status, TicketState, Verdict, decide,
};

/// The park `park` with the cave in it, the museum beside it, and lanes `n1`, `s1` (park), `c1`
/// (cave), `m1` (museum).
pub(crate) const PARK: &str = r#"
[site]
id = "huangshan"
timezone = "Asia/Shanghai"
[[areas]]
id = "park"
[[areas]]
id = "cave"
parent = "park"
[[areas]]
id = "museum"
[[gates]]
id = "north"
to = "park"
[[gates]]
id = "south"
to = "park"
[[gates]]
id = "cave-door"
from = "park"
to = "cave"
[[gates]]
id = "museum-door"
to = "museum"
[[lanes]]
id = "n1"
gate = "north"
[[lanes]]
id = "s1"
gate = "south"
[[lanes]]
id = "c1"
gate = "cave-door"
[[lanes]]
id = "m1"
gate = "museum-door"
"#;

/// The small park with `products`.
pub(crate) fn park(products: &str) -> Park {
    let definition: ParkDefinition = toml::from_str(&format!("{PARK}{products}")).unwrap();
    Park::compile(&definition).unwrap()
}

/// The small park with one product whose only entitlement is to the park.
pub(crate) fn park_with(entitlement: &str) -> Park {
    park(&format!(
        "[[products]]\nid = \"p\"\npersons = {{ min = 1, max = 60 }}\n\
         validity = {{ kind = \"fixed\", from = \"2026-01-01\", until = \"2026-12-31\" }}\n\
         [[products.entitlements]]\nareas = [\"park\"]\n{entitlement}\n"
    ))
}

pub(crate) fn at(text: &str) -> UnixMs {
    UnixMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// A time on 2026-10-01 in Shanghai, as `09:00`.
pub(crate) fn clock(time: &str) -> UnixMs {
    at(&format!("2026-10-01T{time}:00+08:00"))
}

pub(crate) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

pub(crate) fn lane(park: &Park, id: &str) -> LaneIx {
    park.lane_ix(id).unwrap()
}

pub(crate) fn area(park: &Park, id: &str) -> AreaIx {
    park.area_ix(id).unwrap()
}

pub(crate) fn ticket(park: &Park, persons: u16) -> TicketState {
    let terms = IssueTerms {
        product: park.product_ix("p").unwrap(),
        visit_date: None,
        slot: None,
        persons,
        issued_at: at("2026-09-01T09:00:00+08:00"),
        status: Status::Issued,
    };
    TicketState::issue(park, &terms).unwrap()
}

pub(crate) fn ask(
    park: &Park,
    ticket: &TicketState,
    lane_id: &str,
    way: Direction,
    now: UnixMs,
) -> Verdict {
    ask_in(park, ticket, lane_id, way, now, &Boundless)
}

pub(crate) fn ask_in(
    park: &Park,
    ticket: &TicketState,
    lane_id: &str,
    way: Direction,
    now: UnixMs,
    room: &impl Room,
) -> Verdict {
    let presentation = Presentation::new(now, lane(park, lane_id), way);
    decide(park, &presentation, Some(ticket), room)
}

/// Presents, expects a grant and reserves it.
pub(crate) fn open(
    park: &Park,
    ticket: &mut TicketState,
    lane_id: &str,
    direction: Direction,
    granted_at: UnixMs,
) -> OpenGrant {
    let verdict = ask(park, ticket, lane_id, direction, granted_at);
    let Verdict::Grant(admission) = verdict else { panic!("{verdict:?}") };
    let open = OpenGrant { lane: lane(park, lane_id), direction, granted_at, admission };
    ticket.reserve(park, &open);
    open
}

/// Presents and passes.
pub(crate) fn pass(
    park: &Park,
    ticket: &mut TicketState,
    lane_id: &str,
    way: Direction,
    now: UnixMs,
) {
    let grant = open(park, ticket, lane_id, way, now);
    ticket.settle(park, &grant, grant.admission.persons, now);
}

pub(crate) fn reason(park: &Park, ticket: &TicketState, now: UnixMs) -> Reason {
    ask(park, ticket, "n1", Direction::In, now).reason()
}

/// Where the ticket's people are, by area id.
pub(crate) fn inside(park: &Park, ticket: &TicketState) -> Vec<(String, u16)> {
    ticket.inside().map(|(ix, persons)| (park.area(ix).id.to_string(), persons)).collect()
}
