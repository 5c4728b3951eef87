//! The grant path allocates nothing: a decision at a full gate never waits for the allocator.

use std::hint::black_box;

use crate::support::{at, clock, day, lane, open, pass};
use allocation_counter::measure;
use shanmen_protocols::{
    device::CredentialKind,
    ids::Direction::{self, In, Out},
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{
    AreaIx, Boundless, IssueTerms, Need, Park, Presentation, Room, Status, TicketState, Verdict,
    credential::{clean, parse},
    decide,
};

/// A site with every rule that an ordinary product has; hard anti-passback in the park, and a
/// place for a hundred in the cave.
const SITE: &str = r#"
[site]
id = "huangshan"
timezone = "Asia/Shanghai"
day_starts_at = "03:00"
[[areas]]
id = "park"
anti_passback = "hard"
capacity = { instant = 1000, daily = 5000 }
[[areas]]
id = "cave"
parent = "park"
capacity = { instant = 100 }
[[gates]]
id = "north"
to = "park"
[[gates]]
id = "cave-door"
from = "park"
to = "cave"
[[lanes]]
id = "n1"
gate = "north"
[[lanes]]
id = "c1"
gate = "cave-door"
[[products]]
id = "day"
weekdays = ["thu", "fri"]
blackout = ["2026-02-17/2026-02-23"]
daily_hours = [{ from = "07:30", until = "17:00" }]
gates = ["north", "cave-door"]
[[products.entitlements]]
areas = ["park"]
uses = 1
reentry = { count = 1, within = "4h", min_away = "5m" }
[[products.entitlements]]
areas = ["cave"]
uses = 1
[[products]]
id = "slot"
slot = { length = "1h", early = "30m", late = "15m" }
[[products.entitlements]]
areas = ["park"]
uses = 1
[[products]]
id = "year"
persons = { min = 1, max = 60 }
validity = { kind = "days_from_first_use", days = 365, within_days = 90 }
[[products.entitlements]]
areas = ["park"]
per_day = 2
min_gap = "1h"
within_first = "240h"
[[products]]
id = "everywhere"
validity = { kind = "fixed", from = "2026-01-01", until = "2026-12-31" }
[[products.entitlements]]
areas = ["park", "cave"]
[[products]]
id = "child"
needs = ["attendant"]
[[products.entitlements]]
areas = ["park"]
"#;

/// An area's counts as flow keeps them.
struct Counts(u32);

impl Room for Counts {
    fn persons(&self, _: AreaIx) -> u32 {
        self.0
    }
    fn entries_today(&self, _: AreaIx) -> u32 {
        self.0
    }
}

fn site(timezone: &str) -> Park {
    let text = SITE.replace("Asia/Shanghai", timezone);
    Park::compile(&toml::from_str(&text).unwrap()).unwrap()
}

fn ticket(park: &Park, product: &str, persons: u16) -> TicketState {
    let dated = matches!(product, "day" | "slot" | "child");
    let terms = IssueTerms {
        product: park.product_ix(product).unwrap(),
        visit_date: dated.then(|| day("2026-10-01")),
        slot: (product == "slot").then_some(9 * 60),
        persons,
        issued_at: at("2026-09-20T09:00:00+08:00"),
        status: Status::Issued,
    };
    TicketState::issue(park, &terms).unwrap()
}

/// Decides, and asserts the answer's reason and that nothing was allocated on the way to it.
fn answer(
    park: &Park,
    presentation: &Presentation,
    ticket: Option<&TicketState>,
    room: &impl Room,
) {
    let expected = decide(park, presentation, ticket, room);
    let mut verdict = None;
    let counted = measure(|| {
        verdict = Some(decide(black_box(park), black_box(presentation), black_box(ticket), room));
    });
    assert_eq!(verdict, Some(expected));
    assert_eq!(counted.count_total, 0, "{} allocates", expected.reason());
}

/// Presents a ticket at a lane and asserts the reason, and that nothing was allocated.
fn shown(park: &Park, ticket: &TicketState, way: (&str, Direction), now: UnixMs, reason: Reason) {
    let presentation = Presentation::new(now, lane(park, way.0), way.1);
    let verdict = decide(park, &presentation, Some(ticket), &Counts(7));
    assert_eq!(verdict.reason(), reason, "{verdict:?}");
    answer(park, &presentation, Some(ticket), &Counts(7));
}

const NORTH: (&str, Direction) = ("n1", In);

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(black_box(Box::new(7)))).count_total, 1);
}

#[test]
fn a_day_ticket_enters_leaves_comes_back_and_is_used_without_allocation() {
    let park = site("Asia/Shanghai");
    let mut ticket = ticket(&park, "day", 1);
    shown(&park, &ticket, NORTH, clock("06:00"), Reason::ClosedHours);
    shown(&park, &ticket, NORTH, clock("09:00"), Reason::Ok);
    shown(&park, &ticket, NORTH, at("2026-09-30T09:00:00+08:00"), Reason::NotYetValid);
    shown(&park, &ticket, NORTH, at("2026-10-02T09:00:00+08:00"), Reason::Expired);
    let grant = open(&park, &mut ticket, "n1", In, clock("09:00"));
    shown(&park, &ticket, NORTH, clock("09:00"), Reason::InProgress);
    ticket.settle(&park, &grant, 1, clock("09:00"));
    // Hard anti-passback, the sub-area with its own place, and both ways out.
    shown(&park, &ticket, NORTH, clock("09:05"), Reason::AlreadyInside);
    shown(&park, &ticket, ("c1", In), clock("09:10"), Reason::Ok);
    pass(&park, &mut ticket, "c1", In, clock("09:10"));
    shown(&park, &ticket, ("c1", Out), clock("09:30"), Reason::Ok);
    shown(&park, &ticket, ("n1", Out), clock("10:00"), Reason::Ok);
    pass(&park, &mut ticket, "n1", Out, clock("10:00"));
    shown(&park, &ticket, NORTH, clock("10:01"), Reason::TooSoon);
    shown(&park, &ticket, NORTH, clock("10:30"), Reason::Ok);
    shown(&park, &ticket, NORTH, clock("16:00"), Reason::ReentryExpired);
    pass(&park, &mut ticket, "n1", In, clock("10:30"));
    pass(&park, &mut ticket, "n1", Out, clock("11:00"));
    shown(&park, &ticket, NORTH, clock("12:00"), Reason::ReentryExhausted);
    shown(&park, &ticket, ("c1", In), clock("12:00"), Reason::AlreadyUsed);
    ticket.set_status(Status::Refunded);
    shown(&park, &ticket, NORTH, clock("12:00"), Reason::Refunded);
}

#[test]
fn an_ordinary_ticket_moves_about_without_the_heap() {
    let park = site("Asia/Shanghai");
    let mut ticket = ticket(&park, "everywhere", 1);
    for (lane_id, way, time) in [
        ("n1", In, "09:00"),
        ("c1", In, "09:30"),
        ("c1", Out, "10:00"),
        ("n1", Out, "10:30"),
        ("n1", In, "11:00"),
        ("c1", In, "11:30"),
        ("n1", Out, "12:00"),
    ] {
        let grant = open(&park, &mut ticket, lane_id, way, clock(time));
        let now = clock(time);
        let counted = measure(|| drop(ticket.settle(&park, &grant, 1, now)));
        assert_eq!(counted.count_total, 0, "at {time}");
    }
}

#[test]
fn timed_entry_is_decided_without_allocation_also_where_clocks_change() {
    for zone in ["Asia/Shanghai", "Europe/Berlin"] {
        let park = site(zone);
        let ticket = ticket(&park, "slot", 1);
        let start = park.calendar().slot_start(day("2026-10-01"), 9 * 60);
        let minutes = |minutes: i64| start.plus_ms(minutes * 60_000);
        shown(&park, &ticket, NORTH, minutes(-31), Reason::TooEarly);
        shown(&park, &ticket, NORTH, minutes(-30), Reason::Ok);
        shown(&park, &ticket, NORTH, minutes(75), Reason::TooLate);
        // Near the turn of the day the calendar looks at the zone's changes exactly.
        shown(&park, &ticket, NORTH, minutes(-7 * 60), Reason::NotYetValid);
    }
}

#[test]
fn a_day_that_turns_in_a_skipped_hour_is_found_without_allocation() {
    let text = SITE.replace("Asia/Shanghai", "Europe/Berlin").replace("03:00", "02:30");
    let park = Park::compile(&toml::from_str(&text).unwrap()).unwrap();
    let ticket = ticket(&park, "year", 1);
    // 2027-03-28: 02:00 becomes 03:00.
    for time in ["2027-03-28T01:59:00+01:00", "2027-03-28T03:00:00+02:00"] {
        shown(&park, &ticket, NORTH, at(time), Reason::Expired);
    }
}

#[test]
fn a_group_in_parts_is_decided_without_allocation() {
    let park = site("Asia/Shanghai");
    let mut ticket = ticket(&park, "year", 30);
    shown(&park, &ticket, NORTH, clock("09:00"), Reason::Ok);
    let grant = open(&park, &mut ticket, "n1", In, clock("09:00"));
    ticket.settle(&park, &grant, 20, clock("09:00"));
    shown(&park, &ticket, NORTH, clock("09:10"), Reason::Ok);
    pass(&park, &mut ticket, "n1", In, clock("09:10"));
    shown(&park, &ticket, ("n1", Out), clock("12:00"), Reason::Ok);
    pass(&park, &mut ticket, "n1", Out, clock("12:00"));
    shown(&park, &ticket, NORTH, clock("12:30"), Reason::Ok);
    pass(&park, &mut ticket, "n1", In, clock("12:30"));
    pass(&park, &mut ticket, "n1", Out, clock("13:00"));
    shown(&park, &ticket, NORTH, clock("14:00"), Reason::DailyLimit);
    shown(&park, &ticket, NORTH, at("2026-10-12T09:00:00+08:00"), Reason::StayExceeded);
}

#[test]
fn what_only_the_presentation_or_the_room_says_is_decided_without_allocation() {
    let park = site("Asia/Shanghai");
    let child = ticket(&park, "child", 1);
    let mut presentation = Presentation::new(clock("09:00"), lane(&park, "n1"), In);
    let verdict = decide(&park, &presentation, Some(&child), &Boundless);
    assert!(matches!(verdict, Verdict::More { .. }), "{verdict:?}");
    answer(&park, &presentation, Some(&child), &Boundless);
    answer(&park, &presentation, None, &Boundless);
    presentation.confirm = presentation.confirm.with(Need::Attendant);
    for (persons, reason) in [(999, Reason::Ok), (1_000, Reason::AreaFull)] {
        let verdict = decide(&park, &presentation, Some(&child), &Counts(persons));
        assert_eq!(verdict.reason(), reason);
        answer(&park, &presentation, Some(&child), &Counts(persons));
    }
}

#[test]
fn a_credential_is_cleaned_and_read_without_allocation() {
    for (kind, raw) in [
        (CredentialKind::Qr, "]Q2\\000026ABC-12345\r\n"),
        (CredentialKind::IdCard, "110105 19491231 002x"),
        (CredentialKind::Rfid, "04:a1:b2:c3\r\n"),
    ] {
        let mut bytes = 0;
        let counted = measure(|| {
            let cleaned = clean(black_box(raw));
            bytes = parse(kind, &cleaned).map_or(0, |parsed| parsed.text().len());
        });
        assert!(bytes > 0, "{raw:?}");
        assert_eq!(counted.count_total, 0, "{raw:?}");
    }
}
