//! What a refusal tells the visitor, and the edges that only a single answer shows.

use crate::support::{
    area, ask, at, clock, day, lane, open, park, park_with, pass, reason, ticket,
};
use shanmen_protocols::{
    ids::Direction::{In, Out},
    reason::Reason,
    time::UnixMs,
};
use shanmen_rules::{
    AreaIx, Boundless, Class, Facts, Need, Needs, Park, Presentation, Room, TicketState, Verdict,
    decide,
};

fn refusal(park: &Park, ticket: &TicketState, now: UnixMs) -> (Reason, Facts) {
    let verdict = ask(park, ticket, "n1", In, now);
    let Verdict::Deny { reason, facts } = verdict else { panic!("{verdict:?}") };
    (reason, facts)
}

/// A product of the whole year with one right to the park; `keys` stand before it.
fn product(keys: &str) -> Park {
    park(&format!(
        "[[products]]\nid = \"p\"\n{keys}\n\
         validity = {{ kind = \"fixed\", from = \"2026-01-01\", until = \"2026-12-31\" }}\n\
         [[products.entitlements]]\nareas = [\"park\"]\n"
    ))
}

/// The small park with `area` keys in the park itself.
fn park_whose_area(keys: &str, product: &str) -> Park {
    let text = crate::support::PARK.replacen("id = \"park\"", &format!("id = \"park\"\n{keys}"), 1);
    Park::compile(&toml::from_str(&format!("{text}{product}")).unwrap()).unwrap()
}

const OPEN: &str = "[[products]]\nid = \"p\"\n\
    validity = { kind = \"fixed\", from = \"2026-01-01\", until = \"2026-12-31\" }\n\
    [[products.entitlements]]\nareas = [\"park\"]\n";

#[test]
fn closed_hours_says_when_it_opens_next_today() {
    let park = product(
        "daily_hours = [{ from = \"08:00\", until = \"11:30\" }, { from = \"13:00\", until = \"17:00\" }]",
    );
    let ticket = ticket(&park, 1);
    for (now, opens) in [
        ("00:00", Some("08:00")),
        ("07:59", Some("08:00")),
        ("11:30", Some("13:00")),
        ("17:00", None),
        ("23:59", None),
    ] {
        let (reason, facts) = refusal(&park, &ticket, clock(now));
        assert_eq!((reason, facts.come_back_at), (Reason::ClosedHours, opens.map(clock)), "{now}");
    }
    for now in ["08:00", "11:29", "13:00", "16:59"] {
        assert_eq!(reason(&park, &ticket, clock(now)), Reason::Ok, "{now}");
    }
}

#[test]
fn closed_hours_sends_nobody_to_hours_that_the_clock_skips() {
    // Berlin, 2026-03-29: 02:00 becomes 03:00.
    let text = crate::support::PARK.replace("Asia/Shanghai", "Europe/Berlin");
    let product = OPEN.replacen(
        "id = \"p\"",
        "id = \"p\"\ndaily_hours = [{ from = \"02:15\", until = \"02:45\" }]",
        1,
    );
    let park = Park::compile(&toml::from_str(&format!("{text}{product}")).unwrap()).unwrap();
    let ticket = ticket(&park, 1);
    let jump = at("2026-03-29T03:00:00+02:00");
    let (reason, facts) = refusal(&park, &ticket, jump.plus_ms(-1));
    assert_eq!((reason, facts.come_back_at), (Reason::ClosedHours, Some(jump)));
    assert_eq!(refusal(&park, &ticket, jump).1.come_back_at, None, "it is that moment now");
}

#[test]
fn already_inside_says_since_when_how_many_and_where() {
    let park = park_whose_area("anti_passback = \"hard\"", OPEN);
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    let (reason, facts) = refusal(&park, &ticket, clock("10:00"));
    assert_eq!(reason, Reason::AlreadyInside);
    assert_eq!(
        (facts.used_at, facts.count, facts.area),
        (Some(clock("09:00")), Some(1), park.area_ix("park"))
    );
}

#[test]
fn too_soon_says_when_to_come_back_and_where_the_last_entry_was() {
    let park = park_with("min_gap = \"1h\"");
    let mut gap = ticket(&park, 1);
    pass(&park, &mut gap, "s1", In, clock("09:00"));
    let (reason, facts) = refusal(&park, &gap, clock("09:59"));
    assert_eq!((reason, facts.come_back_at), (Reason::TooSoon, Some(clock("10:00"))));
    assert_eq!((facts.used_at, facts.gate), (Some(clock("09:00")), park.gate_ix("south")));

    let park = park_with("uses = 1\nreentry = { within = \"4h\", min_away = \"30m\" }");
    let mut back = ticket(&park, 1);
    pass(&park, &mut back, "s1", In, clock("09:00"));
    pass(&park, &mut back, "n1", Out, clock("10:00"));
    let (reason, facts) = refusal(&park, &back, clock("10:29"));
    assert_eq!((reason, facts.come_back_at), (Reason::TooSoon, Some(clock("10:30"))));
    assert_eq!((facts.used_at, facts.gate), (Some(clock("09:00")), park.gate_ix("south")));
}

#[test]
fn stay_exceeded_says_when_and_where_the_stay_began() {
    let park = park_with("within_first = \"2h\"");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "s1", In, clock("09:00"));
    pass(&park, &mut ticket, "s1", In, clock("10:00"));
    let (reason, facts) = refusal(&park, &ticket, clock("11:01"));
    assert_eq!(reason, Reason::StayExceeded);
    assert_eq!((facts.used_at, facts.gate), (Some(clock("09:00")), park.gate_ix("south")));
}

#[test]
fn daily_limit_says_when_the_next_day_begins_and_when_it_was_used() {
    let park = park_with("per_day = 1");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "s1", In, clock("09:00"));
    let (reason, facts) = refusal(&park, &ticket, clock("10:00"));
    assert_eq!(reason, Reason::DailyLimit);
    assert_eq!(facts.come_back_at, Some(park.calendar().turn_of(day("2026-10-02"))));
    assert_eq!(
        (facts.used_at, facts.gate, facts.count),
        (Some(clock("09:00")), park.gate_ix("south"), Some(1))
    );
}

#[test]
fn the_days_of_a_ticket_are_told_before_and_after_them() {
    let park = park_with("");
    let ticket = ticket(&park, 1);
    for (now, reason) in [
        ("2025-12-31T23:59:59+08:00", Reason::NotYetValid),
        ("2027-01-01T00:00:00+08:00", Reason::Expired),
    ] {
        let (told, facts) = refusal(&park, &ticket, at(now));
        assert_eq!(told, reason);
        assert_eq!(
            (facts.valid_from, facts.valid_until),
            (Some(day("2026-01-01")), Some(day("2026-12-31")))
        );
    }
}

#[test]
fn a_group_that_came_in_parts_on_two_days_may_come_back() {
    let park = park_with("uses = 1\nreentry = { count = 1, within = \"4h\" }");
    let mut ticket = ticket(&park, 2);
    let yesterday = at("2026-09-30T09:00:00+08:00");
    let grant = open(&park, &mut ticket, "n1", In, yesterday);
    ticket.settle(&park, &grant, 1, yesterday);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    assert_eq!(ticket.entries(), 2, "one a day");
    let exit = open(&park, &mut ticket, "n1", Out, clock("10:00"));
    ticket.settle(&park, &exit, 1, clock("10:00"));
    let verdict = ask(&park, &ticket, "n1", In, clock("11:00"));
    let Verdict::Grant(admission) = verdict else { panic!("{verdict:?}") };
    assert!(admission.reentry);
}

#[test]
fn more_than_the_day_allows_by_an_offline_gate_takes_no_re_entry_away() {
    let park = park_with("per_day = 1\nreentry = { count = 1, within = \"4h\" }");
    let mut ticket = ticket(&park, 2);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    ticket.record(&park, lane(&park, "s1"), In, 1, clock("09:30"));
    assert_eq!(ticket.entries(), 3);
    let exit = open(&park, &mut ticket, "n1", Out, clock("10:00"));
    ticket.settle(&park, &exit, 1, clock("10:00"));
    let verdict = ask(&park, &ticket, "n1", In, clock("11:00"));
    let Verdict::Grant(admission) = verdict else { panic!("{verdict:?}") };
    assert_eq!((admission.reentry, admission.persons), (true, 1));
}

#[test]
fn of_two_rights_refused_alike_the_first_is_told() {
    let right = "[[products.entitlements]]\nareas = [\"park\"]\nuses = 1\n";
    let park = park_with(&format!("uses = 1\n{right}"));
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    pass(&park, &mut ticket, "s1", In, clock("10:00"));
    let (reason, facts) = refusal(&park, &ticket, clock("11:00"));
    assert_eq!((reason, facts.used_at), (Reason::AlreadyUsed, Some(clock("09:00"))));
}

#[test]
fn an_area_that_is_not_included_is_told_before_an_open_grant() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    open(&park, &mut ticket, "n1", In, clock("09:00"));
    assert_eq!(ask(&park, &ticket, "m1", In, clock("09:00")).reason(), Reason::AreaNotIncluded);
    assert_eq!(ask(&park, &ticket, "n1", In, clock("09:00")).reason(), Reason::InProgress);
}

#[test]
fn a_site_without_limits_is_empty() {
    let park = park_whose_area("capacity = { instant = 1, daily = 1 }", OPEN);
    let ticket = ticket(&park, 1);
    assert_eq!(reason(&park, &ticket, clock("09:00")), Reason::Ok);
    let park_area = area(&park, "park");
    assert_eq!((Boundless.persons(park_area), Boundless.entries_today(park_area)), (0, 0));
}

/// Three persons in an area for six.
struct Half;

impl Room for Half {
    fn persons(&self, _: AreaIx) -> u32 {
        3
    }
    fn entries_today(&self, _: AreaIx) -> u32 {
        0
    }
    fn capacity(&self, _: &Park, _: AreaIx) -> Option<u32> {
        Some(6)
    }
}

#[test]
fn a_condition_sees_how_full_it_is_in_whole_percent() {
    for (condition, reason) in [
        ("occupancy_percent == 50", Reason::Ok),
        ("occupancy_percent < 50", Reason::ConditionFailed),
    ] {
        let park = product(&format!("condition = \"{condition}\""));
        let ticket = ticket(&park, 1);
        let presentation = Presentation::new(clock("09:00"), lane(&park, "n1"), In);
        let verdict = decide(&park, &presentation, Some(&ticket), &Half);
        assert_eq!(verdict.reason(), reason, "{condition}");
    }
}

#[test]
fn a_condition_sees_whether_the_ticket_is_inside() {
    let park = product("condition = \"!inside\"");
    let mut ticket = ticket(&park, 1);
    assert_eq!(reason(&park, &ticket, clock("09:00")), Reason::Ok);
    pass(&park, &mut ticket, "n1", In, clock("09:00"));
    assert_eq!(reason(&park, &ticket, clock("10:00")), Reason::ConditionFailed);
}

#[test]
fn a_condition_sees_the_class_by_its_word() {
    let classes = [
        (Class::Adult, "adult", false),
        (Class::Senior, "senior", true),
        (Class::Child, "child", true),
        (Class::Student, "student", true),
        (Class::Military, "military", true),
        (Class::Disabled, "disabled", true),
        (Class::Guide, "guide", false),
        (Class::Staff, "staff", false),
        (Class::Group, "group", false),
        (Class::Pass, "pass", false),
        (Class::Vehicle, "vehicle", false),
    ];
    for (class, word, concession) in classes {
        let park = product(&format!("class = {word:?}\ncondition = \"class == \\\"{word}\\\"\""));
        let ticket = ticket(&park, 1);
        assert_eq!(park.product(ticket.product()).class, class);
        assert_eq!(reason(&park, &ticket, clock("09:00")), Reason::Ok, "{word}");
        assert_eq!((class.as_str(), class.is_concession()), (word, concession));
    }
}

#[test]
fn a_need_named_twice_is_one_need() {
    let needs = Needs::NONE.with(Need::Face).with(Need::Face);
    assert!(needs.has(Need::Face) && !needs.is_empty());
}

#[test]
fn a_new_issue_of_the_code_raises_its_epoch() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    assert_eq!(ticket.epoch(), 0);
    ticket.raise_epoch();
    ticket.raise_epoch();
    assert_eq!(ticket.epoch(), 2);
}

#[test]
fn a_park_lists_its_parts_and_knows_none_of_another_park() {
    let park = park_with("uses = 1");
    let sizes = (park.areas().len(), park.gates().len(), park.lanes().len());
    assert_eq!((sizes, park.products().len()), ((4, 4, 4), 1));
    assert_eq!(park.within(AreaIx(4)).count(), 0);
    assert_eq!(park.within(AreaIx(u16::MAX)).count(), 0);
    assert_eq!(park.within(AreaIx::OUTSIDE).count(), 0);
}
