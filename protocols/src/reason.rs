//! Every answer at a gate: one table of reasons, with who acts and what is shown and said.
//!
//! The codes are binding and stable. An unknown code sends the visitor to a person; it never
//! kills the lane, so [`Reason`] reads one as [`Reason::Internal`]. Order: the order of the
//! checks in the admission rules.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Who can put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The visitor: walk on, try again, come back, use another lane.
    Visitor,
    /// The ticket window.
    Window,
    /// The attendant at the gate.
    Staff,
    /// Security.
    Security,
}

/// The lamp at the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Pass.
    Green,
    /// Do not pass.
    Red,
    /// Wait, or look.
    Yellow,
}

/// A language of the lane's display and voice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    /// Chinese (zh-CN).
    #[default]
    Zh,
    /// English.
    En,
}

/// One text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

impl Line {
    /// The text in `lang`.
    pub fn in_lang(self, lang: Lang) -> &'static str {
        match lang {
            Lang::Zh => self.zh,
            Lang::En => self.en,
        }
    }
}

/// A row of the table: all that a lane needs to show and say for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonRow {
    /// The stable code on the wire.
    pub code: &'static str,
    /// Who can put it right.
    pub severity: Severity,
    /// The lamp.
    pub light: Light,
    /// The display line.
    pub display: Line,
    /// The voice line.
    pub voice: Line,
    /// The names of the facts that may come with it; each only as far as it is known.
    pub facts: &'static [&'static str],
}

macro_rules! reasons {
    ($($variant:ident $code:literal $severity:ident $light:ident
       $display_zh:literal $display_en:literal $voice_zh:literal $voice_en:literal
       $($fact:literal)*;)*) => {
        /// Why a presentation was answered as it was. `Ok` stands for a grant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(
                #[doc = concat!("`", $code, "`: ", $display_en, ".")]
                $variant,
            )*
        }

        impl Reason {
            /// All reasons, in the order of the checks.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            /// The reason's row of the table.
            pub fn row(self) -> ReasonRow {
                match self {
                    $(Reason::$variant => ReasonRow {
                        code: $code,
                        severity: Severity::$severity,
                        light: Light::$light,
                        display: Line { zh: $display_zh, en: $display_en },
                        voice: Line { zh: $voice_zh, en: $voice_en },
                        facts: &[$($fact,)*],
                    },)*
                }
            }

            /// The reason of a code; `None` for a code that this version does not know.
            pub fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Reason::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    Ok "ok" Visitor Green
        "欢迎光临" "Welcome"
        "欢迎光临" "Welcome"
        "reentry" "anti_passback" "overridden";
    LaneClosed "lane_closed" Visitor Red
        "该通道已关闭" "This lane is closed"
        "请走其他通道" "Please use another lane";
    Emergency "emergency" Security Yellow
        "紧急放行" "Emergency: lanes are open"
        "请有序撤离" "Please leave calmly";
    WrongDirection "wrong_direction" Visitor Red
        "通行方向不符" "Wrong direction"
        "请按指示方向通行" "Please follow the signs";
    Unreadable "unreadable" Visitor Red
        "无法识别，请重试" "Cannot read the code, try again"
        "请重新扫码" "Please scan again";
    Forged "forged" Staff Red
        "无效票码" "Invalid ticket code"
        "请联系工作人员" "Please see our staff";
    UnknownTicket "unknown_ticket" Window Red
        "查无此票" "Ticket not found"
        "请到售票窗口咨询" "Please go to the ticket window";
    Refunded "refunded" Window Red
        "该票已退" "This ticket was refunded"
        "该票已退" "This ticket was refunded";
    Voided "voided" Window Red
        "该票已作废" "This ticket was voided"
        "该票已作废" "This ticket was voided";
    Superseded "superseded" Window Red
        "该票码已换发" "This code was replaced"
        "请使用新票码" "Please use the new code";
    Frozen "frozen" Window Red
        "该票已冻结" "This ticket is on hold"
        "请联系工作人员" "Please see our staff";
    Unpaid "unpaid" Window Red
        "该票未支付" "This ticket is not paid"
        "请先完成支付" "Please pay first";
    ExchangeFirst "exchange_first" Window Red
        "请先换票" "Exchange your code first"
        "请先到窗口或自助机换票" "Please exchange your code at the window or a kiosk";
    NotYetValid "not_yet_valid" Visitor Red
        "该票未到使用日期" "This ticket is not valid yet"
        "该票未到使用日期" "This ticket is not valid yet"
        "come_back_at" "valid_from" "valid_until";
    Expired "expired" Window Red
        "该票已过期" "This ticket has expired"
        "该票已过期" "This ticket has expired"
        "valid_from" "valid_until";
    WrongDate "wrong_date" Window Red
        "该票今日不可用" "Not valid today"
        "该票今日不可用" "This ticket is not valid today";
    TooEarly "too_early" Visitor Yellow
        "未到入园时间" "Too early"
        "未到入园时间" "Please come back later"
        "come_back_at";
    TooLate "too_late" Window Red
        "已过入园时间" "Too late for your time slot"
        "已过入园时间" "Your time slot is over";
    ClosedHours "closed_hours" Visitor Red
        "非开放时间" "Closed at this hour"
        "现在不是开放时间" "We are closed at this hour"
        "come_back_at";
    Blackout "blackout" Window Red
        "该票此日期不可用" "Not valid on this date"
        "该票此日期不可用" "This ticket is not valid on this date";
    WrongGate "wrong_gate" Visitor Red
        "门票在该通道不可使用" "Ticket not valid at this gate"
        "请前往其他入口" "Please use another gate";
    AreaNotIncluded "area_not_included" Window Red
        "该票不含此景点" "This area is not included"
        "该票不含此景点" "Your ticket does not include this area";
    InProgress "in_progress" Visitor Yellow
        "请勿重复刷票" "Already scanned, please walk through"
        "请勿重复刷票" "Please walk through";
    AlreadyUsed "already_used" Window Red
        "该票已使用" "This ticket was already used"
        "该票已使用" "This ticket was already used"
        "used_at" "gate" "count";
    DailyLimit "daily_limit" Window Red
        "今日次数已用完" "Daily limit reached"
        "今日次数已用完" "Daily limit reached"
        "come_back_at" "used_at" "gate" "count";
    AlreadyInside "already_inside" Staff Red
        "该票已入园" "Already inside"
        "该票已入园" "This ticket is already inside"
        "used_at" "count" "area";
    NotExited "not_exited" Staff Red
        "无出园记录" "No exit on record"
        "没有出园记录，请联系工作人员" "No exit on record, please see our staff"
        "used_at" "gate" "count";
    ReentryExpired "reentry_expired" Window Red
        "二次入园已超时" "Re-entry time is over"
        "二次入园已超时" "Your re-entry time is over"
        "used_at" "gate" "count";
    ReentryExhausted "reentry_exhausted" Window Red
        "二次入园次数已用完" "No re-entries left"
        "二次入园次数已用完" "No re-entries left"
        "used_at" "gate" "count";
    TooSoon "too_soon" Visitor Yellow
        "未到再次入园时间" "Too soon to enter again"
        "请稍后再来" "Please come back later"
        "come_back_at" "used_at" "gate" "count";
    StayExceeded "stay_exceeded" Window Red
        "已超过使用时限" "The time of this ticket is over"
        "已超过使用时限" "The time of this ticket is over"
        "used_at" "gate";
    ConditionFailed "condition_failed" Staff Red
        "不符合使用条件" "Conditions of this ticket are not met"
        "请联系工作人员" "Please see our staff";
    NeedsIdentity "needs_identity" Visitor Yellow
        "请出示身份证" "Please show your ID card"
        "请出示身份证" "Please show your ID card";
    NeedsAttendant "needs_attendant" Staff Yellow
        "请等待工作人员确认" "Please wait for our staff"
        "请等待工作人员确认" "Please wait for our staff";
    IdentityMismatch "identity_mismatch" Staff Red
        "人证不符" "Identity does not match"
        "请联系工作人员" "Please see our staff";
    BlockedPerson "blocked_person" Security Red
        "请联系工作人员" "Please see our staff"
        "请联系工作人员" "Please see our staff";
    AreaFull "area_full" Visitor Yellow
        "园区已达最大承载量" "The area is full"
        "园区已达最大承载量，请稍候" "The area is full, please wait"
        "count" "capacity" "area";
    DayFull "day_full" Window Red
        "今日接待量已满" "Full for today"
        "今日接待量已满" "We are full for today"
        "count" "capacity" "area";
    Busy "busy" Visitor Yellow
        "系统繁忙，请重试" "Busy, please try again"
        "请重试" "Please try again";
    Internal "internal" Staff Red
        "请联系工作人员" "Please see our staff"
        "请联系工作人员" "Please see our staff";
}

impl Reason {
    /// The stable code on the wire.
    pub fn code(self) -> &'static str {
        self.row().code
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Ok(Self::from_code(&code).unwrap_or(Self::Internal))
    }
}

impl JsonSchema for Reason {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Reason".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes: Vec<&str> = Self::ALL.iter().map(|reason| reason.code()).collect();
        json_schema!({
            "description": "Why: a code of the table in reasons.md.",
            "type": "string",
            "enum": codes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_back_to_its_reason_and_says_something_in_both_languages() {
        for &reason in Reason::ALL {
            let row = reason.row();
            assert_eq!(Reason::from_code(row.code), Some(reason));
            for text in [row.display.zh, row.display.en, row.voice.zh, row.voice.en] {
                assert!(!text.trim().is_empty(), "{reason}");
            }
        }
    }

    #[test]
    fn an_unknown_code_is_the_generic_case_and_kills_nothing() {
        let reason: Reason = serde_json::from_str("\"of_a_later_version\"").unwrap();
        assert_eq!(reason, Reason::Internal);
    }
}
