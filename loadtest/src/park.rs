//! The load test's own park: as many lanes as are wanted, in ten gates, with plain day tickets,
//! tickets for groups and tickets of the kiosks, and more room than anybody needs.

use std::fmt::Write as _;

/// The site.
pub const SITE: &str = "loadtest";

/// The only area, and so the root.
pub const AREA: &str = "park";

/// Gates, at most; each has its share of the lanes.
pub const GATES_MAX: usize = 10;

/// The class of tickets for groups.
const GROUP: u8 = 4;

/// The class of what kiosks sell.
pub const KIOSK: u8 = 5;

/// The class of tickets on which one may leave and come in again, once.
pub const RETURN: u8 = 6;

/// The classes of the products: four for one person, one for groups, one of the kiosks, one for
/// re-entries.
pub const CLASSES: [&str; 7] = ["adult", "child", "senior", "student", "group", "pass", "military"];

/// What a ticket is sold as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sold {
    /// For so many persons.
    pub persons: u16,
    /// Whether one may leave and come in again on it.
    pub returns: bool,
}

impl Sold {
    /// For one person, who comes in once.
    pub const ONE: Self = Self::group(1);

    /// For so many persons, who come in once.
    pub const fn group(persons: u16) -> Self {
        Self { persons, returns: false }
    }
}

/// The id of gate number `n`.
pub fn gate_id(n: usize) -> String {
    format!("g{n:02}")
}

/// The ids of all gates of a park with so many lanes.
pub fn gates_of(lanes: usize) -> impl Iterator<Item = String> {
    (0..lanes.min(GATES_MAX)).map(gate_id)
}

/// The id of lane number `n`, which is its device's too.
pub fn lane_id(n: usize) -> String {
    format!("lane-{n:04}")
}

/// The gate of lane number `n`.
pub fn gate_of(n: usize) -> usize {
    n % GATES_MAX
}

/// The class of ticket number `n`.
pub fn class_of(n: usize, sold: Sold) -> u8 {
    match sold {
        Sold { returns: true, .. } => RETURN,
        Sold { persons: 2.., .. } => GROUP,
        Sold { .. } => u8::try_from(n % usize::from(GROUP)).unwrap_or(0),
    }
}

/// The product of a class.
pub fn product_of(class: u8) -> String {
    format!("{}-day", CLASSES[usize::from(class) % CLASSES.len()])
}

/// The id of the roaming point of attendant number `n`, which is the handheld's too.
pub fn hand_id(n: usize) -> String {
    format!("hand-{n:03}")
}

/// How large the park is.
#[derive(Clone, Debug, Default)]
pub struct Size {
    /// Turnstiles.
    pub lanes: usize,
    /// The gate of each attendant with a handheld.
    pub hands: Vec<usize>,
    /// Viewers of the feed.
    pub viewers: usize,
}

impl Size {
    /// So many lanes, and nobody else.
    pub fn lanes(lanes: usize) -> Self {
        Self { lanes, ..Self::default() }
    }
}

/// Viewers that a server lets in without being told, and some.
const VIEWERS_MIN: usize = 600;

/// The configuration of a server with this park. `unix_s` is now: the site's time zone is chosen
/// so that its day has just begun its afternoon, and does not turn during a run.
pub fn config(size: &Size, unix_s: u64) -> String {
    let mut text = format!(
        "# Written by shanmen-loadtest.\n\n[site]\nid = \"{SITE}\"\n\
         name = {{ zh = \"压力测试\", en = \"Load test\" }}\ntimezone = \"{}\"\n\n\
         [dashboards]\nviewers_max = {}\n\n\
         [[areas]]\nid = \"{AREA}\"\ncapacity = {{ instant = 50000000, daily = 50000000 }}\n",
        noon_zone(unix_s),
        size.viewers.max(VIEWERS_MIN)
    );
    for gate in gates_of(size.lanes) {
        // Writing to a string cannot fail.
        write!(text, "\n[[gates]]\nid = \"{gate}\"\nto = \"{AREA}\"\n").ok();
    }
    let turnstiles = (0..size.lanes).map(|lane| (lane_id(lane), gate_of(lane)));
    let hands = size.hands.iter().enumerate().map(|(n, gate)| (hand_id(n), *gate));
    for (id, gate) in turnstiles.chain(hands) {
        let gate = gate_id(gate);
        write!(text, "\n[[lanes]]\nid = \"{id}\"\ngate = \"{gate}\"\ndirection = \"both\"\n").ok();
    }
    for (n, class) in (0_u8..).zip(CLASSES) {
        let more = match n {
            GROUP => "persons = { min = 2, max = 60 }\n",
            KIOSK => "price = 6000\n",
            _ => "",
        };
        let reentry = if n == RETURN { "reentry = { count = 1 }\n" } else { "" };
        write!(
            text,
            "\n[[products]]\nid = \"{}\"\nclass = \"{class}\"\nvalidity = {{ kind = \"visit_date\" }}\n\
             {more}[[products.entitlements]]\nareas = [\"{AREA}\"]\nuses = 1\n{reentry}",
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
        let text = config(&Size::lanes(3), 0);
        assert_eq!(text.matches("[[gates]]").count(), 3);
        assert_eq!(text.matches("[[lanes]]").count(), 3);
        assert!(text.contains("id = \"g02\""));
    }
}
