//! The flow as the pages see it: the rules' words in the feed's, an empty day, and what changed.

use shanmen_protocols::{
    feed::{
        Action, Alarm, AreaNow, GateNow, LaneCondition, LaneNow, Level, Past, Plan, SiteInfo,
        Snapshot, Text, Today,
    },
    time::UnixMs,
};
use shanmen_rules::{
    Actions, AreaIx, Park,
    definition::{CapacityAction, LaneDirection},
};

/// Alarms that are new or otherwise than they were shown, and those that are over.
pub(super) fn changed_alarms(now: &[Alarm], shown: &[Alarm]) -> Vec<Alarm> {
    let over = shown.iter().filter(|old| !now.iter().any(|alarm| alarm.id == old.id));
    let over = over.map(|old| Alarm { active: false, ..old.clone() });
    now.iter().filter(|alarm| !shown.contains(alarm)).cloned().chain(over).collect()
}

pub(super) fn changed<Row: Clone + PartialEq>(now: &[Row], shown: &[Row]) -> Vec<Row> {
    now.iter().zip(shown).filter(|(now, shown)| now != shown).map(|(now, _)| now.clone()).collect()
}

pub(super) fn level_of(actions: Actions) -> Level {
    if actions.has(CapacityAction::StopEntry) {
        Level::Full
    } else if actions.has(CapacityAction::Slow) {
        Level::Slow
    } else if actions.has(CapacityAction::Announce) || actions.has(CapacityAction::StopSales) {
        Level::Announce
    } else {
        Level::Normal
    }
}

pub(super) fn action(action: CapacityAction) -> Action {
    match action {
        CapacityAction::Announce => Action::Announce,
        CapacityAction::Slow => Action::Slow,
        CapacityAction::StopSales => Action::StopSales,
        CapacityAction::StopEntry => Action::StopEntry,
    }
}

pub(super) fn text(name: &shanmen_rules::Text) -> Text {
    Text { zh: name.zh.clone(), en: name.en.clone() }
}

pub(super) fn blank(park: &Park, now: UnixMs) -> Snapshot {
    let site = park.site();
    let area_id = |ix: AreaIx| park.area(ix).id.clone();
    let top = park.areas().iter().skip(1).filter(|area| area.parent.is_none());
    // The site's capacity is the sum of its top areas, if each of them has one.
    let capacity = top.map(|area| area.capacity_instant).sum::<Option<u32>>();
    Snapshot {
        site: SiteInfo {
            id: site.id.clone(),
            name: text(&site.name),
            timezone: site.timezone.clone(),
            plan: plan(park),
        },
        areas: park
            .areas()
            .iter()
            .skip(1)
            .map(|area| AreaNow {
                id: area.id.clone(),
                name: text(&area.name),
                parent: area.parent.map(area_id),
                occupancy: 0,
                reserved: 0,
                capacity: area.capacity_instant,
                level: Level::Normal,
                entries_today: 0,
                sold_today: 0,
                actions: Vec::new(),
                override_until: None,
            })
            .collect(),
        gates: park
            .gates()
            .iter()
            .map(|gate| GateNow {
                id: gate.id.clone(),
                name: text(&gate.name),
                from: area_id(gate.from),
                to: area_id(gate.to),
                in_today: 0,
                out_today: 0,
                in_per_min: 0,
                out_per_min: 0,
                denied_per_min: 0,
            })
            .collect(),
        lanes: park
            .lanes()
            .iter()
            .map(|lane| LaneNow {
                id: lane.id.clone(),
                gate: park.gate(lane.gate).id.clone(),
                direction: match lane.direction {
                    LaneDirection::In => "in",
                    LaneDirection::Out => "out",
                    LaneDirection::Both => "both",
                }
                .to_owned(),
                device: None,
                condition: LaneCondition::Unassigned,
                since: now,
                last_at: None,
                open_grants: 0,
            })
            .collect(),
        today: Today { capacity, ..Today::default() },
        alarms: Vec::new(),
        recent: Vec::new(),
        past: Past::default(),
    }
}

fn plan(park: &Park) -> Plan {
    let place = |(x, y): (f64, f64)| [x, y];
    let areas = park.areas().iter().skip(1);
    Plan {
        areas: areas.filter_map(|a| Some((a.id.clone(), place(a.position?)))).collect(),
        gates: park
            .gates()
            .iter()
            .filter_map(|g| Some((g.id.clone(), place(g.position?))))
            .collect(),
        lanes: park
            .lanes()
            .iter()
            .filter_map(|l| Some((l.id.clone(), place(l.position?))))
            .collect(),
    }
}
