//! A kiosk whose power is cut at every step, against a control plane, a bank and paper as oracles.

mod world;

use proptest::prelude::*;

use self::world::{Step, World};

fn steps() -> impl Strategy<Value = Vec<(Step, Option<u8>)>> {
    let which = any::<u8>();
    let step = prop_oneof![
        2 => Just(Step::Begin),
        1 => which.prop_map(Step::Redeem),
        6 => (which, 0..4_u8).prop_map(|(which, fate)| Step::Plane(which, fate)),
        5 => (which, 0..4_u8).prop_map(|(which, fate)| Step::Bank(which, fate)),
        4 => which.prop_map(Step::VisitorPays),
        1 => which.prop_map(Step::GiveUp),
        4 => (0..8_u8).prop_map(Step::Printer),
        1 => which.prop_map(Step::Expire),
        4 => (0..10_000_u64).prop_map(Step::Tick),
    ];
    let cut = prop_oneof![6 => Just(None), 1 => (0..4_u8).prop_map(Some)];
    proptest::collection::vec((step, cut), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_cut_charges_or_prints_twice_or_loses_money_unnoticed(steps in steps()) {
        let mut world = World::new();
        for (step, cut) in steps {
            world.step(step, cut);
        }
        world.calm_down();
        let faults = world.faults();
        prop_assert!(faults.is_empty(), "{faults:?}");
    }
}

/// A purchase and a code, each cut off behind every single step of its way.
#[test]
fn a_purchase_cut_off_at_any_step_ends_collected_cancelled_or_in_doubt() {
    let way = [
        Step::Begin,
        Step::Redeem(1),
        Step::Plane(0, 0),
        Step::Plane(0, 0),
        Step::Bank(0, 0),
        Step::VisitorPays(0),
        Step::Tick(1_000),
        Step::Bank(0, 0),
        Step::Plane(0, 0),
        Step::Printer(0),
        Step::Printer(0),
        Step::Printer(0),
        Step::Plane(0, 0),
        Step::Plane(0, 0),
    ];
    let mut collected = 0;
    for at in 0..way.len() {
        for cut in 0..4 {
            let mut world = World::new();
            for (number, step) in way.into_iter().enumerate() {
                world.step(step, (number == at).then_some(cut));
            }
            world.calm_down();
            assert_eq!(world.faults(), Vec::<String>::new(), "cut {cut} at step {at}");
            collected += world.collected();
        }
    }
    // Not all may end in doubt, or the oracle would have nothing to say.
    assert!(collected >= 2 * way.len(), "{collected}");
}

/// The question of before the cut is worked on only after the control plane was asked what came of
/// it: the code is used up then, and its ticket still comes out.
#[test]
fn a_code_whose_question_was_still_on_its_way_at_the_cut_is_not_lost() {
    let mut world = World::new();
    world.step(Step::Redeem(1), None);
    world.step(Step::Tick(0), Some(1));
    for _ in 0..4 {
        world.step(Step::Tick(5_000), None);
        world.step(Step::Plane(1, 0), None);
    }
    world.step(Step::Plane(0, 0), None);
    world.calm_down();
    assert_eq!(world.faults(), Vec::<String>::new());
    assert_eq!(world.collected(), 1);
}
