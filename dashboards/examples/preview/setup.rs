//! The preview's park as it stands at the start: gates, areas and the day so far, all made up.

use std::collections::BTreeMap;

use shanmen_protocols::{
    feed::{
        Action, Alarm, AreaNow, DayBefore, Forecast, GateNow, LaneCondition, LaneNow, Past, Plan,
        Text,
    },
    ids::{AreaId, DeviceId, GateId, LaneId},
    reason::Reason,
    time::UnixMs,
};

use crate::park::{Park, level, local};

pub(crate) type Fault = Box<dyn std::error::Error>;

/// Which kind of day is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    Normal,
    Full,
    Empty,
    Large,
    Emergency,
    /// The first day: no history yet.
    First,
}

impl Scene {
    pub(crate) fn named(name: &str) -> Result<Self, Fault> {
        match name {
            "normal" => Ok(Self::Normal),
            "full" => Ok(Self::Full),
            "empty" => Ok(Self::Empty),
            "large" => Ok(Self::Large),
            "emergency" => Ok(Self::Emergency),
            "first" => Ok(Self::First),
            other => {
                let scenes = "normal, full, empty, large, emergency or first";
                Err(format!("no scene {other}: {scenes}").into())
            }
        }
    }
}

/// Ticket classes and their share in %.
pub(crate) const CLASSES: [(&str, u32); 8] = [
    ("adult", 52),
    ("child", 14),
    ("senior", 11),
    ("student", 8),
    ("group", 7),
    ("pass", 5),
    ("military", 2),
    ("staff", 1),
];
/// Reasons of refusals and their weights.
pub(crate) const REASONS: [(Reason, u32); 7] = [
    (Reason::AlreadyUsed, 30),
    (Reason::WrongDate, 22),
    (Reason::TooEarly, 18),
    (Reason::Unreadable, 14),
    (Reason::NeedsIdentity, 8),
    (Reason::WrongGate, 6),
    (Reason::Expired, 4),
];
/// id, names, from, to, entry lanes, exit lanes, share of the visitors in %.
pub(crate) type GateRow =
    (&'static str, &'static str, &'static str, &'static str, &'static str, u8, u8, u32);
pub(crate) const GATES: [GateRow; 7] = [
    ("south", "南山门", "South Gate", "outside", "park", 6, 3, 38),
    ("east", "东门", "East Gate", "outside", "park", 4, 2, 22),
    ("north", "北门·索道站", "North Gate", "outside", "park", 3, 2, 12),
    ("west", "西门", "West Gate", "outside", "park", 2, 1, 6),
    ("cable", "云海索道", "Cloud Sea Cableway", "park", "cableway", 2, 2, 10),
    ("temple", "栖霞古寺", "Qixia Temple", "park", "temple", 2, 1, 8),
    ("cave", "玉龙洞", "Jade Dragon Cave", "park", "cave", 1, 1, 4),
];
/// id, names, the area around it, capacity, persons in it at the start.
type AreaRow = (&'static str, &'static str, &'static str, Option<&'static str>, u32, u32);
const AREAS: [AreaRow; 4] = [
    ("park", "云栖山主景区", "Yunqi Mountain", None, 20_000, 12_846),
    ("cableway", "云海索道", "Cloud Sea Cableway", Some("park"), 900, 512),
    ("temple", "栖霞古寺", "Qixia Temple", Some("park"), 1_500, 1_236),
    ("cave", "玉龙洞", "Jade Dragon Cave", Some("park"), 400, 371),
];

/// id and place of the areas, in metres on the plan.
const AREAS_AT: [(&str, [f64; 2]); 4] = [
    ("park", [1_180.0, 980.0]),
    ("cableway", [1_700.0, 420.0]),
    ("temple", [700.0, 520.0]),
    ("cave", [420.0, 900.0]),
];
/// The same of the gates.
const GATES_AT: [(&str, [f64; 2]); 7] = [
    ("south", [1_240.0, 1_800.0]),
    ("east", [2_240.0, 1_060.0]),
    ("north", [1_100.0, 60.0]),
    ("west", [90.0, 760.0]),
    ("cable", [1_610.0, 520.0]),
    ("temple", [800.0, 610.0]),
    ("cave", [520.0, 930.0]),
];
/// Channels and their share in %.
const CHANNELS: [(&str, u32); 5] =
    [("window", 31), ("ota", 28), ("miniapp", 21), ("agency", 12), ("kiosk", 8)];

/// Where things are; a park of many copies of its gates has no plan.
pub(crate) fn plan(scene: Scene) -> Result<Plan, Fault> {
    let mut plan = Plan::default();
    if scene == Scene::Large {
        return Ok(plan);
    }
    for (id, at) in AREAS_AT {
        plan.areas.insert(AreaId::new(id)?, at);
    }
    for (id, at) in GATES_AT {
        plan.gates.insert(GateId::new(id)?, at);
    }
    Ok(plan)
}

/// Visitors per quarter hour of a day like any other.
fn hill(at: u32) -> u32 {
    if !(28..72).contains(&at) {
        return 0;
    }
    let (morning, noon) = (at.abs_diff(38), at.abs_diff(54));
    1_400_u32.saturating_sub(morning * morning * 9)
        + 900_u32.saturating_sub(noon * noon * 8)
        + at * 37 % 110
        + 60
}

impl Park {
    /// What history says of the day so far.
    pub(crate) fn past(&self, now: UnixMs) -> Past {
        let today = &self.state.today;
        let share = |w: u32| today.entries * w / 100;
        let by_channel = CHANNELS.iter().map(|&(c, w)| (c.into(), share(w))).collect();
        if matches!(self.scene, Scene::Empty | Scene::First) {
            return Past { at: now, ..Past::default() };
        }
        let curve: Vec<u32> = (0..96).map(|at| hill(at) * 9 / 10).collect();
        let local = local(now, &self.zone);
        let hour = usize::try_from(local.hour()).unwrap_or(0) * 4;
        let quarter = hour + usize::try_from(local.minute()).unwrap_or(0) / 15;
        let hour_by_now: u32 = curve[hour..=quarter].iter().sum();
        let last_week = DayBefore {
            date: local
                .date()
                .checked_sub(jiff::Span::new().days(7))
                .map_or_else(|_| String::new(), |d| d.to_string()),
            entries: curve.iter().sum(),
            entries_by_now: curve[..quarter].iter().sum(),
            exits_by_now: today.exits * 104 / 100,
            entries_this_hour: curve[hour..hour + 4].iter().sum(),
            exits_this_hour: curve[hour..hour + 4].iter().sum::<u32>() / 3,
            entries_this_hour_by_now: hour_by_now,
            exits_this_hour_by_now: hour_by_now / 3,
            entries_per_min: curve[quarter] / 15,
            exits_per_min: curve[quarter] / 45,
            peak_in_site: 14_020,
            curve,
        };
        let ahead: Vec<u32> = (0..96_u32)
            .zip(&today.curve)
            .map(|(at, &came)| {
                let over = usize::try_from(at).is_ok_and(|at| at < quarter);
                if over { came } else { hill(at) * 96 / 100 }
            })
            .collect();
        let forecast = Forecast {
            made_at: now,
            entries: ahead.iter().sum(),
            peak_in_site: 15_230,
            peak_at: today.starts_at.plus_ms(15 * 60_000 * 52),
            curve: ahead,
            days: 28,
            error_percent: Some(8.6),
        };
        Past { at: now, by_channel, last_week: Some(last_week), forecast: Some(forecast) }
    }

    pub(crate) fn build_gates(&mut self, now: UnixMs) -> Result<(), Fault> {
        let copies: u8 = if self.scene == Scene::Large { 3 } else { 1 };
        for copy in 0..copies {
            for (id, zh, en, from, to, ins, outs, share) in GATES {
                let mark = if copy == 0 { String::new() } else { format!("{}", copy + 1) };
                let gate = GateId::new(&format!("{id}{mark}"))?;
                let used = if self.scene == Scene::Empty { 0 } else { share * 391 };
                self.state.gates.push(GateNow {
                    id: gate.clone(),
                    name: text(&format!("{zh}{mark}"), &format!("{en} {mark}")),
                    from: AreaId::new(from)?,
                    to: AreaId::new(to)?,
                    in_today: used,
                    out_today: used * 2 / 3,
                    in_per_min: 0,
                    out_per_min: 0,
                    denied_per_min: 0,
                });
                for n in 1..=ins + outs {
                    let lane = format!("{id}{mark}-{n}");
                    let condition = match (self.scene, lane.as_str()) {
                        (Scene::Empty, _) | (_, "west-2" | "cave-2") => LaneCondition::Closed,
                        (_, "south-5") => LaneCondition::Fault,
                        (_, "east-4") => LaneCondition::Offline,
                        (_, "north-5") => LaneCondition::Unassigned,
                        _ => LaneCondition::Online,
                    };
                    self.state.lanes.push(LaneNow {
                        id: LaneId::new(&lane)?,
                        gate: gate.clone(),
                        direction: if n <= ins { "in" } else { "out" }.into(),
                        device: Some(DeviceId::new(&format!("ts-{lane}"))?),
                        condition,
                        since: now.plus_ms(-360_000),
                        last_at: None,
                        open_grants: 0,
                    });
                }
            }
        }
        Ok(())
    }

    pub(crate) fn past_day(&mut self, now: UnixMs) {
        let quiet = self.scene == Scene::Empty;
        let today = &mut self.state.today;
        let local = local(now, &self.zone);
        let minute = u32::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute()));
        let quarter = minute.unwrap_or(0) / 15;
        let minutes = i64::from(minute.unwrap_or(0));
        today.starts_at = now.plus_ms(-(minutes * 60 + i64::from(local.second())) * 1000);
        today.curve =
            (0..96_u32).map(|at| if quiet || at > quarter { 0 } else { hill(at) }).collect();
        today.entries = today.curve.iter().sum();
        today.capacity = Some(20_000);
        if !quiet {
            today.exits = today.entries.saturating_sub(self.state.areas[0].occupancy);
            today.reentries = today.entries / 23;
            today.denied = 1_384;
            today.entries_this_hour = 2_210;
            today.exits_this_hour = 640;
            today.by_class =
                CLASSES.iter().map(|(c, w)| ((*c).into(), today.entries * w / 100)).collect();
            let share = |w: &u32| 1_384 * w / 102;
            today.by_reason = REASONS
                .iter()
                .map(|(r, w)| (r.code().into(), share(w)))
                .collect::<BTreeMap<_, _>>();
            if self.scene == Scene::Full {
                today.by_reason.insert(Reason::AreaFull.code().into(), 612);
            }
        }
    }

    pub(crate) fn alarms(&mut self, now: UnixMs) -> Result<(), Fault> {
        let alarm = |id: u64, code: &str, minutes: i64| Alarm {
            id,
            code: code.into(),
            at: now.plus_ms(-minutes * 60_000),
            device: None,
            lane: None,
            area: None,
            acknowledged: false,
            active: true,
        };
        self.state.alarms.push(Alarm { lane: Some(LaneId::new("south-5")?), ..alarm(1, "jam", 6) });
        self.state.alarms.push(Alarm {
            device: Some(DeviceId::new("ts-east-4")?),
            lane: Some(LaneId::new("east-4")?),
            acknowledged: true,
            ..alarm(2, "device_offline", 47)
        });
        let area = Some(AreaId::new("cave")?);
        self.state.alarms.push(Alarm { area, ..alarm(3, "area_level", 2) });
        if self.scene == Scene::Emergency {
            self.state.alarms.push(alarm(5, "emergency", 3));
        }
        if self.scene == Scene::Full {
            let area = Some(AreaId::new("park")?);
            self.state.alarms.push(Alarm { area, ..alarm(4, "area_level", 11) });
        }
        Ok(())
    }
}

pub(crate) fn areas(scene: Scene) -> Result<Vec<AreaNow>, Fault> {
    let area = |(id, zh, en, parent, capacity, held): AreaRow| {
        let occupancy = match scene {
            Scene::Empty => 0,
            Scene::Full if id == "park" => 20_480,
            Scene::Full => capacity - capacity / 40,
            Scene::Normal | Scene::Large | Scene::Emergency | Scene::First => held,
        };
        Ok(AreaNow {
            id: AreaId::new(id)?,
            name: text(zh, en),
            parent: parent.map(AreaId::new).transpose()?,
            occupancy,
            reserved: 0,
            capacity: Some(capacity),
            level: level(occupancy, Some(capacity)),
            entries_today: occupancy * 2,
            sold_today: occupancy * 3,
            actions: if scene == Scene::Full { vec![Action::StopSales] } else { Vec::new() },
            // 2026-10-01T18:30:00+08:00.
            override_until: (id == "cave").then_some(UnixMs(1_790_850_600_000)),
        })
    };
    AREAS.into_iter().map(area).collect()
}

pub(crate) fn text(zh: &str, en: &str) -> Text {
    Text { zh: zh.into(), en: en.trim().into() }
}
