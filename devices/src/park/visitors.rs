//! Who comes to the park on a day, when and with what: pure, from a seed.
//!
//! Parties are singles, couples, families and tour groups. Arrivals follow a morning peak and an
//! afternoon shoulder, with a few latecomers; stays are log-normal and end before closing. Times
//! are of the visitors' day, counted from its opening. [`super::day`] walks them.

use std::{f64::consts::TAU, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};
use shanmen_protocols::ids::AreaId;

use super::{OUTSIDE, ParkPlan, ProductSpec};

/// The generator of all chance here: named, so that a seed gives the same day in every release.
pub(super) type Chance = Xoshiro256PlusPlus;

/// How long the visitors' day is, from 07:00 to 20:00. The night is left out.
pub const DAY: Duration = Duration::from_hours(13);

/// When everybody has to be on the way out.
pub const CLOSING: Duration = Duration::from_hours(12);

/// The last arrivals.
pub const LAST_ENTRY: Duration = Duration::from_mins(10 * 60 + 45);

/// The shortest stay, for who comes late.
const STAY_MIN: Duration = Duration::from_mins(20);

/// Classes that no visitor chooses.
const NOT_FOR_VISITORS: [&str; 3] = ["staff", "guide", "vehicle"];

/// A ticket that a party wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Index of the product in the plan.
    pub product: usize,
    /// Persons on the ticket.
    pub persons: u16,
}

/// What goes wrong with a party, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mishap {
    /// Nothing.
    None,
    /// A code that nobody ever sold.
    UnknownTicket,
    /// Two share one ticket: the second finds it used.
    SharedTicket,
    /// A ticket that was given back.
    RefundedTicket,
    /// A ticket for tomorrow.
    WrongDay,
    /// Does not walk at first, and lets the barrier close.
    Hesitates,
    /// Some of the group come later.
    Stragglers,
    /// Somebody slips through behind.
    Tailgater,
}

/// A stay in an area of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excursion {
    /// The area.
    pub area: AreaId,
    /// How long.
    pub stay: Duration,
}

/// People who come together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its number in the day, in the order of arrival.
    pub number: u32,
    /// When it comes, from the day's opening.
    pub arrives: Duration,
    /// The tickets; one for a group.
    pub tickets: Vec<Wanted>,
    /// What goes wrong.
    pub mishap: Mishap,
    /// How long it stays in all, excursions included.
    pub stay: Duration,
    /// Areas of their own that it goes to, in order; some that the tickets do not include.
    pub excursions: Vec<Excursion>,
    /// Goes out in between, for so long, and comes back.
    pub away: Option<Duration>,
    /// Seeds what it does on the way.
    pub seed: u64,
}

impl Party {
    /// Persons in it.
    pub fn persons(&self) -> u32 {
        self.tickets.iter().map(|wanted| u32::from(wanted.persons)).sum()
    }
}

/// The parties of a day in the order of arrival; the same for the same plan and seed.
pub fn parties_of_day(plan: &ParkPlan, seed: u64) -> Vec<Party> {
    let shop = Shop::new(plan);
    let mut chance = Chance::seed_from_u64(seed);
    let mut parties = Vec::new();
    let mut persons = 0;
    while !shop.is_empty() && persons < plan.visitors_a_day {
        let party = party(&shop, &mut chance);
        persons += party.persons();
        parties.push(party);
    }
    // A stable sort by arrival: who comes in the same instant keeps the order of the dice.
    parties.sort_by_key(|party| party.arrives);
    for (number, party) in (0..).zip(&mut parties) {
        party.number = number;
    }
    parties
}

/// What is for sale, by who buys it.
struct Shop<'a> {
    products: &'a [ProductSpec],
    /// Indices of products for one person, and of those for several.
    singles: Vec<usize>,
    groups: Vec<usize>,
    /// Areas behind a gate of their own.
    inner_areas: Vec<AreaId>,
}

impl<'a> Shop<'a> {
    fn new(plan: &'a ParkPlan) -> Self {
        let on_sale = |several: bool| {
            let fits = |product: &ProductSpec| {
                !NOT_FOR_VISITORS.contains(&product.class.as_str())
                    && (*product.persons.end() > 1) == several
            };
            let all = plan.products.iter().enumerate();
            all.filter(|(_, product)| fits(product)).map(|(index, _)| index).collect()
        };
        let mut inner_areas: Vec<AreaId> = plan
            .lanes
            .iter()
            .filter(|lane| !lane.is_outer() && lane.to.as_str() != OUTSIDE)
            .map(|lane| lane.to.clone())
            .collect();
        inner_areas.sort();
        inner_areas.dedup();
        Self {
            products: &plan.products,
            singles: on_sale(false),
            groups: on_sale(true),
            inner_areas,
        }
    }

    fn is_empty(&self) -> bool {
        self.singles.is_empty() && self.groups.is_empty()
    }

    /// A product of `class` for one person, or of another class where there is none.
    fn single(&self, class: &str, chance: &mut Chance) -> Option<usize> {
        let pick = |class: &str, chance: &mut Chance| {
            let of_class: Vec<usize> = self
                .singles
                .iter()
                .copied()
                .filter(|&index| self.products[index].class == class)
                .collect();
            choose(&of_class, chance)
        };
        pick(class, chance)
            .or_else(|| pick("adult", chance))
            .or_else(|| choose(&self.singles, chance))
    }
}

fn choose(from: &[usize], chance: &mut Chance) -> Option<usize> {
    (!from.is_empty()).then(|| from[chance.random_range(0..from.len())])
}

fn party(shop: &Shop<'_>, chance: &mut Chance) -> Party {
    let (tickets, is_group) = tickets(shop, chance);
    let arrives = arrival(is_group, chance);
    let stay = stay(arrives, chance);
    let away = away(shop, &tickets, stay, chance);
    let excursions = excursions(shop, &tickets, stay, chance);
    let mishap = mishap(is_group, tickets.len(), chance);
    Party { number: 0, arrives, tickets, mishap, stay, excursions, away, seed: chance.random() }
}

/// Singles, couples and families of about equal weight; a quarter of all people come in groups.
fn tickets(shop: &Shop<'_>, chance: &mut Chance) -> (Vec<Wanted>, bool) {
    let dice: f64 = chance.random();
    if (dice < 0.025 || shop.singles.is_empty())
        && let Some(product) = choose(&shop.groups, chance)
    {
        let allowed = &shop.products[product].persons;
        let persons = chance.random_range(12..=45_u16);
        let persons = persons.clamp((*allowed.start()).max(1), *allowed.end());
        return (vec![Wanted { product, persons }], true);
    }
    let classes: &[&str] = match dice {
        ..0.20 => &["adult"],
        ..0.25 => &["senior"],
        ..0.31 => &["student"],
        ..0.33 => &["pass"],
        ..0.34 => &["military"],
        ..0.35 => &["disabled"],
        ..0.55 => &["adult", "adult"],
        ..0.62 => &["senior", "senior"],
        ..0.68 => &["student", "student"],
        ..0.82 => &["adult", "adult", "child"],
        ..0.90 => &["adult", "adult", "child", "child"],
        ..0.95 => &["adult", "child"],
        _ => &["adult", "adult", "child", "senior", "senior"],
    };
    let of_class = |class: &&str| shop.single(class, chance);
    let tickets = classes.iter().filter_map(of_class);
    (tickets.map(|product| Wanted { product, persons: 1 }).collect(), false)
}

/// Morning peak about 09:30, afternoon shoulder about 13:30, latecomers before the last entry;
/// tour groups come by bus, and early.
fn arrival(is_group: bool, chance: &mut Chance) -> Duration {
    let share: f64 = chance.random();
    let (morning, afternoon, anytime) =
        if is_group { (0.75, 0.97, 1.0) } else { (0.56, 0.86, 0.97) };
    let hours = if share < morning {
        if is_group { normal(2.2, 0.6, chance) } else { normal(2.5, 0.9, chance) }
    } else if share < afternoon {
        normal(6.5, 1.0, chance)
    } else if share < anytime {
        chance.random_range(0.5..9.0)
    } else {
        chance.random_range(9.7..10.7)
    };
    hours_long(hours).min(LAST_ENTRY)
}

/// About three hours and a quarter, between 20 minutes and closing time.
fn stay(arrives: Duration, chance: &mut Chance) -> Duration {
    let hours = normal(3.1_f64.ln(), 0.4, chance).exp();
    hours_long(hours).min(CLOSING.saturating_sub(arrives)).max(STAY_MIN)
}

/// One in twelve goes out for a meal and comes back, where the ticket allows it; a few try anyway.
fn away(
    shop: &Shop<'_>,
    tickets: &[Wanted],
    stay: Duration,
    chance: &mut Chance,
) -> Option<Duration> {
    let allowed = tickets.iter().all(|wanted| shop.products[wanted.product].reentry);
    let goes = chance.random_bool(if allowed { 0.12 } else { 0.01 });
    let long = chance.random_range(20 * 60..60 * 60_u64);
    (goes && hours_long(2.0) < stay).then(|| Duration::from_secs(long))
}

/// Most go where their ticket leads; a few also try where it does not.
fn excursions(
    shop: &Shop<'_>,
    tickets: &[Wanted],
    stay: Duration,
    chance: &mut Chance,
) -> Vec<Excursion> {
    let includes = |area: &AreaId| {
        tickets.iter().all(|wanted| shop.products[wanted.product].areas.contains(area))
    };
    let mut left = stay.mul_f64(0.7);
    let mut excursions = Vec::new();
    for area in &shop.inner_areas {
        let goes = chance.random_bool(if includes(area) { 0.7 } else { 0.03 });
        let long = Duration::from_secs(chance.random_range(12 * 60..45 * 60_u64));
        if goes && long < left {
            left -= long;
            excursions.push(Excursion { area: area.clone(), stay: long });
        }
    }
    excursions
}

/// About one party in twenty has a bad day; what can happen depends on who they are.
fn mishap(is_group: bool, tickets: usize, chance: &mut Chance) -> Mishap {
    let dice: f64 = chance.random();
    match dice {
        ..0.25 if is_group => Mishap::Stragglers,
        ..0.008 => Mishap::UnknownTicket,
        ..0.014 => Mishap::RefundedTicket,
        ..0.022 => Mishap::WrongDay,
        ..0.034 if tickets > 1 => Mishap::SharedTicket,
        ..0.039 => Mishap::Hesitates,
        ..0.043 => Mishap::Tailgater,
        _ => Mishap::None,
    }
}

/// A normal deviate (Box and Muller, 1958).
fn normal(mean: f64, deviation: f64, chance: &mut Chance) -> f64 {
    // 1 − u is in (0, 1]: the logarithm is finite.
    let u: f64 = 1.0 - chance.random::<f64>();
    let v: f64 = chance.random();
    mean + deviation * (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
}

fn hours_long(hours: f64) -> Duration {
    Duration::try_from_secs_f64(hours * 3_600.0).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests;
