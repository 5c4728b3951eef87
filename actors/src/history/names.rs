//! What people call a key of a series, in both languages: the park's own names, and the words for
//! ticket classes, channels and reasons.

use shanmen_protocols::{
    feed::Text,
    reason::{Lang, Reason},
};
use shanmen_rules::Park;

use crate::api::FlowBy;

const CLASSES: [(&str, &str, &str); 11] = [
    ("adult", "成人", "Adult"),
    ("senior", "老人", "Senior"),
    ("child", "儿童", "Child"),
    ("student", "学生", "Student"),
    ("military", "军人", "Military"),
    ("disabled", "残疾人", "Disabled"),
    ("guide", "导游", "Guide"),
    ("staff", "员工", "Staff"),
    ("group", "团体", "Group"),
    ("pass", "年卡/次卡", "Pass"),
    ("vehicle", "车辆", "Vehicle"),
];

const CHANNELS: [(&str, &str, &str); 8] = [
    ("direct", "直销", "Direct"),
    ("kiosk", "自助机", "Kiosk"),
    ("counter", "窗口", "Counter"),
    ("handheld", "手持机", "Handheld"),
    ("online", "官网", "Online"),
    ("ota", "在线旅游平台", "OTA"),
    ("agency", "旅行社", "Travel agency"),
    ("mini-program", "小程序", "Mini program"),
];

/// What a key is called now; the key itself where nobody calls it anything any more.
pub(crate) fn name_of(park: &Park, by: FlowBy, key: &str) -> Text {
    let own = |name: &shanmen_rules::Text| Text { zh: name.zh.clone(), en: name.en.clone() };
    let word = |words: &[(&str, &str, &str)]| {
        let (_, zh, en) = words.iter().find(|(word, _, _)| *word == key)?;
        Some(Text { zh: (*zh).to_owned(), en: (*en).to_owned() })
    };
    let found = match by {
        FlowBy::Site => Some(own(&park.site().name)),
        FlowBy::Area => park.area_ix(key).map(|ix| own(&park.area(ix).name)),
        FlowBy::Gate => park.gate_ix(key).and_then(|ix| park.get_gate(ix)).map(|g| own(&g.name)),
        FlowBy::Lane => park.lane_ix(key).and_then(|ix| park.get_lane(ix)).map(|l| own(&l.name)),
        FlowBy::Product => {
            park.product_ix(key).and_then(|ix| park.get_product(ix)).map(|p| own(&p.name))
        }
        FlowBy::Class => word(&CLASSES),
        FlowBy::Channel => word(&CHANNELS),
        FlowBy::Reason => Reason::from_code(key).map(|reason| {
            let words = |lang| reason.row().display.in_lang(lang).to_owned();
            Text { zh: words(Lang::Zh), en: words(Lang::En) }
        }),
    };
    found.unwrap_or_else(|| Text { zh: key.to_owned(), en: key.to_owned() })
}
