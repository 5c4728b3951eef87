//! What an answer carries besides its reason, and what only a presentation can say.

use crate::support::{ask, ask_in, at, clock, day, lane, park, park_with, pass, ticket};
use shanmen_protocols::{ids::Direction::In, ids::Direction::Out, reason::Reason, time::UnixMs};
use shanmen_rules::{
    AreaIx, Boundless, IssueFault, IssueTerms, Need, Person, Presentation, Room, Status,
    TicketState, Verdict, decide, standing,
};

struct Full;

impl Room for Full {
    fn persons(&self, _: AreaIx) -> u32 {
        7
    }
    fn entries_today(&self, _: AreaIx) -> u32 {
        0
    }
    fn capacity(&self, _: &shanmen_rules::Park, _: AreaIx) -> Option<u32> {
        Some(7)
    }
}

struct Overridden;

impl Room for Overridden {
    fn persons(&self, area: AreaIx) -> u32 {
        Full.persons(area)
    }
    fn entries_today(&self, _: AreaIx) -> u32 {
        0
    }
    fn capacity(&self, park: &shanmen_rules::Park, area: AreaIx) -> Option<u32> {
        Full.capacity(park, area)
    }
    fn override_on(&self, _: AreaIx, _: UnixMs) -> bool {
        true
    }
}

#[test]
fn already_used_says_when_and_where() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 1);
    pass(&park, &mut ticket, "s1", In, clock("09:00"));
    let Verdict::Deny { reason, facts } = ask(&park, &ticket, "n1", In, clock("10:00")) else {
        panic!()
    };
    assert_eq!(reason, Reason::AlreadyUsed);
    assert_eq!((facts.used_at, facts.gate), (Some(clock("09:00")), park.gate_ix("south")));
}

#[test]
fn area_full_gives_the_count_and_an_override_goes_on_record() {
    let park = park_with("");
    let ticket = ticket(&park, 1);
    let verdict = ask_in(&park, &ticket, "n1", In, clock("10:00"), &Full);
    let Verdict::Deny { reason: Reason::AreaFull, facts } = verdict else { panic!("{verdict:?}") };
    assert_eq!((facts.count, facts.capacity), (Some(7), Some(7)));
    assert_eq!(facts.area, park.area_ix("park"));
    let verdict = ask_in(&park, &ticket, "n1", In, clock("10:00"), &Overridden);
    let Verdict::Grant(admission) = verdict else { panic!("{verdict:?}") };
    assert!(admission.overridden);
}

#[test]
fn too_early_says_when_to_come_back() {
    let park = park(
        "[[products]]\nid = \"p\"\nslot = { length = \"1h\", early = \"30m\" }\n\
         [[products.entitlements]]\nareas = [\"park\"]\n",
    );
    let terms = IssueTerms {
        product: park.product_ix("p").unwrap(),
        visit_date: Some(day("2026-10-01")),
        slot: Some(9 * 60),
        persons: 1,
        issued_at: clock("00:00"),
        status: Status::Issued,
    };
    let ticket = TicketState::issue(&park, &terms).unwrap();
    let Verdict::Deny { reason, facts } = ask(&park, &ticket, "n1", In, clock("08:00")) else {
        panic!()
    };
    assert_eq!((reason, facts.come_back_at), (Reason::TooEarly, Some(clock("08:30"))));
    let early = ask(&park, &ticket, "n1", In, at("2026-09-30T10:00:00+08:00"));
    let Verdict::Deny { reason: Reason::NotYetValid, facts } = early else { panic!("{early:?}") };
    assert_eq!(facts.valid_from, Some(day("2026-10-01")));
    assert_eq!(facts.come_back_at, Some(clock("00:00")));
}

#[test]
fn an_older_code_is_superseded_and_the_newest_is_good() {
    let park = park_with("");
    let mut ticket = ticket(&park, 1);
    ticket.raise_epoch();
    let mut presentation = Presentation::new(clock("09:00"), lane(&park, "n1"), In);
    presentation.code_epoch = Some(0);
    let verdict = decide(&park, &presentation, Some(&ticket), &Boundless);
    assert_eq!(verdict.reason(), Reason::Superseded);
    for epoch in [None, Some(1)] {
        presentation.code_epoch = epoch;
        assert_eq!(decide(&park, &presentation, Some(&ticket), &Boundless).as_str(), "grant");
    }
}

#[test]
fn a_blocked_person_is_refused_after_the_ticket_was_good_and_before_the_room() {
    let park = park_with("");
    let ticket = ticket(&park, 1);
    let mut presentation = Presentation::new(clock("09:00"), lane(&park, "n1"), In);
    for (person, reason) in
        [(Person::Blocked, Reason::BlockedPerson), (Person::Mismatch, Reason::IdentityMismatch)]
    {
        presentation.person = person;
        assert_eq!(decide(&park, &presentation, Some(&ticket), &Full).reason(), reason);
    }
    presentation.direction = Out;
    assert_eq!(decide(&park, &presentation, Some(&ticket), &Full).as_str(), "grant");
}

#[test]
fn more_names_all_that_is_missing() {
    let park = park(
        "[[products]]\nid = \"p\"\nneeds = [\"attendant\", \"face\", \"id_card\"]\n\
         validity = { kind = \"fixed\", from = \"2026-01-01\", until = \"2026-12-31\" }\n\
         [[products.entitlements]]\nareas = [\"park\"]\n",
    );
    let ticket = ticket(&park, 1);
    let mut presentation = Presentation::new(clock("09:00"), lane(&park, "n1"), In);
    presentation.confirm = [Need::Face].into_iter().collect();
    let verdict = decide(&park, &presentation, Some(&ticket), &Boundless);
    let Verdict::More { reason, needs } = verdict else { panic!("{verdict:?}") };
    assert_eq!(reason, Reason::NeedsIdentity);
    assert_eq!(needs.iter().collect::<Vec<_>>(), [Need::IdCard, Need::Attendant]);
}

#[test]
fn soft_anti_passback_grants_and_flags() {
    let text = crate::support::PARK.replacen(
        "id = \"park\"",
        "id = \"park\"\nanti_passback = \"soft\"",
        1,
    );
    let product = "[[products]]\nid = \"p\"\n\
         validity = { kind = \"fixed\", from = \"2026-01-01\", until = \"2026-12-31\" }\n\
         [[products.entitlements]]\nareas = [\"park\"]\n";
    let park = shanmen_rules::Park::compile(&toml::from_str(&format!("{text}{product}")).unwrap())
        .unwrap();
    let mut ticket = ticket(&park, 1);
    for flagged in [false, true] {
        let grant = crate::support::open(&park, &mut ticket, "n1", In, clock("09:00"));
        assert_eq!(grant.admission.flagged, flagged);
        ticket.settle(&park, &grant, 1, clock("09:00"));
    }
}

#[test]
fn an_exit_grants_as_many_as_are_inside() {
    let park = park_with("uses = 1");
    let mut ticket = ticket(&park, 30);
    let grant = crate::support::open(&park, &mut ticket, "n1", In, clock("09:00"));
    ticket.settle(&park, &grant, 20, clock("09:00"));
    let verdict = ask(&park, &ticket, "n1", Out, clock("10:00"));
    let Verdict::Grant(admission) = verdict else { panic!("{verdict:?}") };
    assert_eq!((admission.persons, admission.is_exit()), (20, true));
    // On another day nothing is known: all may go.
    let verdict = ask(&park, &ticket, "n1", Out, at("2026-10-02T10:00:00+08:00"));
    let Verdict::Grant(admission) = verdict else { panic!("{verdict:?}") };
    assert_eq!(admission.persons, 30);
}

#[test]
fn a_ticket_that_its_product_does_not_sell_is_not_issued() {
    let park = park(
        "[[products]]\nid = \"p\"\nslot = { length = \"1h\" }\npersons = { min = 2, max = 9 }\n\
         [[products.entitlements]]\nareas = [\"park\"]\n",
    );
    let good = IssueTerms {
        product: park.product_ix("p").unwrap(),
        visit_date: Some(day("2026-10-01")),
        slot: Some(540),
        persons: 2,
        issued_at: clock("00:00"),
        status: Status::Issued,
    };
    assert!(TicketState::issue(&park, &good).is_ok());
    let fault = |terms: IssueTerms| TicketState::issue(&park, &terms).unwrap_err();
    assert!(matches!(
        fault(IssueTerms { visit_date: None, ..good }),
        IssueFault::VisitDateMissing { .. }
    ));
    assert!(matches!(fault(IssueTerms { slot: None, ..good }), IssueFault::SlotMissing { .. }));
    assert!(matches!(
        fault(IssueTerms { slot: Some(1_440), ..good }),
        IssueFault::SlotOutOfRange { .. }
    ));
    assert_eq!(
        fault(IssueTerms { persons: 1, ..good }).to_string(),
        "product p is for 2 to 9 persons, not 1"
    );
}

#[test]
fn of_several_tickets_the_one_inside_leaves_and_the_first_that_is_good_enters() {
    let park = park_with("uses = 1");
    let (mut inside, outside) = (ticket(&park, 1), ticket(&park, 1));
    let stands = |ticket: &TicketState, way, hour: &str| {
        let shown = Presentation::new(clock(hour), lane(&park, "n1"), way);
        let verdict = decide(&park, &shown, Some(ticket), &Boundless);
        standing(&park, &shown, ticket, &verdict)
    };
    assert_eq!(stands(&inside, In, "08:00"), stands(&outside, In, "08:00"));
    assert_eq!(stands(&inside, Out, "08:00"), stands(&outside, Out, "08:00"), "nobody is inside");
    let grant = stands(&outside, In, "10:00");
    pass(&park, &mut inside, "n1", In, clock("09:00"));
    assert!(stands(&outside, Out, "10:00") < stands(&inside, Out, "10:00"), "who is inside leaves");
    assert!(stands(&inside, In, "10:00") < stands(&outside, In, "10:00"), "who is outside enters");
    assert_eq!(
        stands(&outside, Out, "10:00"),
        grant,
        "an exit of nobody is no better than a grant"
    );
    assert!(grant < stands(&inside, Out, "10:00"));
}
