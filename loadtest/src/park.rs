//! The load test's own park: as many lanes as are wanted, in ten gates, with plain day tickets and
//! more room than anybody needs.

use std::fmt::Write as _;

/// The site.
pub const SITE: &str = "loadtest";

/// Gates, at most; each has its share of the lanes.
pub const GATES_MAX: usize = 10;

/// The classes of the products. Ticket number n has class n modulo their number.
pub const CLASSES: [&str; 4] = ["adult", "child", "senior", "student"];

/// The id of gate number `n`.
pub fn gate_id(n: usize) -> String {
    format!("g{n:02}")
}

/// The id of lane number `n`, which is its device's too.
pub fn lane_id(n: usize) -> String {
    format!("lane-{n:04}")
}

/// The gate of lane number `n`.
pub fn gate_of(n: usize) -> usize {
    n % GATES_MAX
}

/// The product of ticket number `n`.
pub fn product_of(n: usize) -> String {
    format!("{}-day", CLASSES[n % CLASSES.len()])
}

/// The configuration of a server with this park. `unix_s` is now: the site's time zone is chosen
/// so that its day has just begun its afternoon, and does not turn during a run.
pub fn config(lanes: usize, unix_s: u64) -> String {
    let mut text = format!(
        "# Written by shanmen-loadtest.\n\n[site]\nid = \"{SITE}\"\n\
         name = {{ zh = \"压力测试\", en = \"Load test\" }}\ntimezone = \"{}\"\n\n\
         [[areas]]\nid = \"park\"\ncapacity = {{ instant = 50000000, daily = 50000000 }}\n",
        noon_zone(unix_s)
    );
    for gate in 0..lanes.min(GATES_MAX) {
        // Writing to a string cannot fail.
        write!(text, "\n[[gates]]\nid = \"{}\"\nto = \"park\"\n", gate_id(gate)).ok();
    }
    for lane in 0..lanes {
        let (id, gate) = (lane_id(lane), gate_id(gate_of(lane)));
        write!(text, "\n[[lanes]]\nid = \"{id}\"\ngate = \"{gate}\"\ndirection = \"both\"\n").ok();
    }
    for (n, class) in CLASSES.iter().enumerate() {
        write!(
            text,
            "\n[[products]]\nid = \"{}\"\nclass = \"{class}\"\nvalidity = {{ kind = \"visit_date\" }}\n\
             [[products.entitlements]]\nareas = [\"park\"]\nuses = 1\n",
            product_of(n)
        )
        .ok();
    }
    text
}

/// A zone in which it is between 11 and 13 o'clock.
fn noon_zone(unix_s: u64) -> String {
    let hour = unix_s / 3600 % 24;
    // The signs of these zones are the other way round: Etc/GMT-8 is eight hours east.
    match hour {
        0..=11 => format!("Etc/GMT-{}", 12 - hour),
        12 => "Etc/GMT".to_owned(),
        _ => format!("Etc/GMT+{}", hour - 12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_noon_at_the_park_whenever_it_runs() {
        assert_eq!(noon_zone(0), "Etc/GMT-12");
        assert_eq!(noon_zone(4 * 3600), "Etc/GMT-8");
        assert_eq!(noon_zone(12 * 3600), "Etc/GMT");
        assert_eq!(noon_zone(23 * 3600 + 59), "Etc/GMT+11");
    }

    #[test]
    fn every_lane_has_a_gate_that_is_there() {
        let text = config(3, 0);
        assert_eq!(text.matches("[[gates]]").count(), 3);
        assert_eq!(text.matches("[[lanes]]").count(), 3);
        assert!(text.contains("id = \"g02\""));
    }
}
