//! What a decision costs: `cargo bench -p shanmen-rules`.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop")]

use std::{hint::black_box, time::Instant};

use shanmen_protocols::{ids::Direction, time::UnixMs};
use shanmen_rules::{Boundless, IssueTerms, Park, Presentation, Status, TicketState, decide};

const ROUNDS: u32 = 2_000_000;

fn main() {
    for zone in ["Asia/Shanghai", "America/New_York"] {
        for (name, more) in [
            ("ordinary day ticket", ""),
            ("timed entry", "slot = { length = \"8h\" }\n"),
            ("condition", "condition = \"entries_today < 3 && class == 'adult'\"\n"),
        ] {
            let text = format!(
                "[site]\nid = \"s\"\ntimezone = {zone:?}\n[[areas]]\nid = \"park\"\n\
                 capacity = {{ instant = 1000, daily = 5000 }}\n[[gates]]\nid = \"g\"\n\
                 to = \"park\"\n[[lanes]]\nid = \"n1\"\ngate = \"g\"\n[[products]]\nid = \"p\"\n\
                 {more}[[products.entitlements]]\nareas = [\"park\"]\nuses = 1\n"
            );
            let park = Park::compile(&toml::from_str(&text).unwrap()).unwrap();
            let at = UnixMs(1_790_820_000_000); // 2026-10-01, 10:00 in Shanghai
            let terms = IssueTerms {
                product: park.product_ix("p").unwrap(),
                visit_date: Some(park.business_day(at)),
                slot: (!more.is_empty() && more.starts_with("slot"))
                    .then(|| u16::try_from(park.moment(at).second_of_day / 60).unwrap()),
                persons: 1,
                issued_at: at,
                status: Status::Issued,
            };
            let ticket = TicketState::issue(&park, &terms).unwrap();
            let lane = park.lane_ix("n1").unwrap();
            let presentation = Presentation::new(at, lane, Direction::In);
            let verdict = decide(&park, &presentation, Some(&ticket), &Boundless);
            let rounds = if more.starts_with("cond") { ROUNDS / 20 } else { ROUNDS };
            let begun = Instant::now();
            for _ in 0..rounds {
                let asked = black_box(&presentation);
                black_box(decide(black_box(&park), asked, Some(black_box(&ticket)), &Boundless));
            }
            let ns = begun.elapsed().as_nanos() / u128::from(rounds);
            println!("{zone:<18} {name:<20} {} {ns} ns", verdict.as_str());
        }
    }
    println!("size_of TicketState: {} bytes", size_of::<TicketState>());
}
