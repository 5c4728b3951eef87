//! Check 7, the condition: a CEL expression of the product (Google's Common Expression Language,
//! <https://cel.dev>), compiled when the product loads.
//!
//! Owns the list of variables. A faulty expression is refused at load with its position; one that
//! cannot be evaluated, or that gives no `true`, denies. `now`, `slot_start` and `slot_end` are
//! timestamps, so `getHours()` is UTC and `getHours("Asia/Shanghai")` local, as CEL has it.

use std::sync::{Arc, LazyLock};

use cel::{
    Context, Env, IdedExpr, Program, Value,
    common::ast::{EntryExpr, Expr, LiteralValue},
};
use chrono::DateTime;
use shanmen_protocols::{reason::Reason, time::UnixMs};

use crate::{
    calendar::Moment,
    checks::slot,
    park::{AreaIx, GateIx, LaneIx, Park, Product},
    ticket::TicketState,
    verdict::Room,
};

/// The longest expression in bytes.
const SOURCE_MAX_BYTES: usize = 1_024;

/// One standard environment for all conditions; it holds the functions, never a variable.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

macro_rules! variables {
    ($($variant:ident $name:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Variable { $($variant,)* }

        impl Variable {
            const NAMES: &[&str] = &[$($name,)*];

            fn of(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}
variables! {
    Now "now"
    Weekday "weekday"
    Product "product"
    Class "class"
    Gate "gate"
    Lane "lane"
    Area "area"
    Persons "persons"
    Entries "entries"
    EntriesToday "entries_today"
    EntryDays "entry_days"
    MinutesSinceFirstEntry "minutes_since_first_entry"
    MinutesSinceLastEntry "minutes_since_last_entry"
    Inside "inside"
    SlotStart "slot_start"
    SlotEnd "slot_end"
    OccupancyPercent "occupancy_percent"
}

/// A compiled condition. Cloning shares the program.
#[derive(Clone, Debug)]
pub struct Condition {
    source: Arc<str>,
    program: Arc<Program>,
    variables: Arc<[Variable]>,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// Why a condition is refused at load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConditionFault {
    pub(crate) problem: String,
    pub(crate) hint: String,
}

impl Condition {
    pub(crate) fn compile(source: &str) -> Result<Self, ConditionFault> {
        let fault = |problem: String, hint: &str| ConditionFault { problem, hint: hint.to_owned() };
        if source.len() > SOURCE_MAX_BYTES {
            return Err(fault(format!("is longer than {SOURCE_MAX_BYTES} bytes"), ""));
        }
        let program = ENVIRONMENT.compile(source).map_err(|faults| {
            let first = faults.errors.first();
            let (line, column, message) = first.map_or((1, 1, "cannot be read"), |first| {
                (first.pos.0.max(1), first.pos.1.max(1), first.msg.as_str())
            });
            fault(format!("line {line}, column {column}: {message}"), "a CEL expression")
        })?;
        let mut seen = Seen { program: &program, variables: Vec::new(), fault: None };
        seen.walk(program.expression(), &mut Vec::new());
        if let Some(problem) = seen.fault {
            let hint = format!("there is {}", Variable::NAMES.join(", "));
            return Err(ConditionFault { problem, hint });
        }
        let variables: Arc<[Variable]> = seen.variables.into();
        for second in [false, true] {
            if let Some(problem) = try_out(&program, &variables, second) {
                return Err(fault(problem, "it must give true or false"));
            }
        }
        Ok(Self { source: source.into(), program: Arc::new(program), variables })
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Evaluates an expression with made-up values of the right types: what can never work at a gate
/// is refused here, what depends on the ticket (a division by its entries) is not.
fn try_out(program: &Program, variables: &[Variable], second: bool) -> Option<String> {
    use cel::ExecutionError as E;
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    for &variable in variables {
        context.add_variable_from_value(variable.name(), made_up(variable, second));
    }
    match program.execute(&context) {
        Ok(Value::Bool(_)) => None,
        Ok(other) => Some(format!("gives {}, not true or false", other.type_of())),
        Err(
            error @ (E::InvalidArgumentCount { .. }
            | E::UnsupportedTargetType { .. }
            | E::NotSupportedAsMethod { .. }
            | E::UnexpectedType { .. }
            | E::NoSuchKey(_)
            | E::NoSuchOverload(_)
            | E::UndeclaredReference(_)
            | E::MissingArgumentOrTarget
            | E::ValuesNotComparable(..)
            | E::UnsupportedBinaryOperator(..)
            | E::UnsupportedIndex(..)
            | E::FunctionError { .. }),
        ) => Some(format!("cannot be evaluated: {error}")),
        Err(_) => None,
    }
}

/// Whether an argument is a pattern that is written out, short, and without counted repetitions,
/// which can grow to any size.
fn is_plain_pattern(argument: &IdedExpr) -> bool {
    let Expr::Literal(LiteralValue::String(pattern)) = &argument.expr else { return false };
    let pattern: &str = pattern.inner();
    pattern.len() <= 64 && !pattern.contains('{')
}

fn made_up(variable: Variable, second: bool) -> Value {
    match variable {
        Variable::Now | Variable::SlotStart | Variable::SlotEnd => timestamp(Some(UnixMs(0))),
        Variable::Product | Variable::Class | Variable::Gate | Variable::Lane | Variable::Area => {
            "a-1".into()
        }
        Variable::Inside => Value::Bool(second),
        Variable::Weekday
        | Variable::Persons
        | Variable::Entries
        | Variable::EntriesToday
        | Variable::EntryDays
        | Variable::MinutesSinceFirstEntry
        | Variable::MinutesSinceLastEntry
        | Variable::OccupancyPercent => Value::Int(if second { 100 } else { 1 }),
    }
}

/// A walk over an expression: which variables it reads, and what it may not do.
struct Seen<'a> {
    program: &'a Program,
    variables: Vec<Variable>,
    fault: Option<String>,
}

impl<'a> Seen<'a> {
    fn fault_at(&mut self, id: u64, problem: &str) {
        let info = self.program.source_info();
        let start = info.offset_for(id).map_or(0, |(start, _)| start as usize);
        let before: String = info.source.chars().take(start).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        self.fault.get_or_insert_with(|| format!("line {line}, column {column}: {problem}"));
    }

    /// `local` are the names that a macro such as `exists` has bound.
    fn walk(&mut self, node: &'a IdedExpr, local: &mut Vec<&'a str>) {
        match &node.expr {
            Expr::Ident(name) if name.starts_with('@') || local.contains(&name.as_str()) => {}
            Expr::Ident(name) => match Variable::of(name) {
                Some(variable) if self.variables.contains(&variable) => {}
                Some(variable) => self.variables.push(variable),
                None if ENVIRONMENT.types().find_type(name).is_some() => {}
                None => self.fault_at(node.id, &format!("there is no variable {name:?}")),
            },
            // A pattern is read anew at every presentation, and a gate has one millisecond.
            Expr::Call(call)
                if call.func_name == "matches"
                    && !(local.is_empty() && call.args.last().is_some_and(is_plain_pattern)) =>
            {
                let problem = "a pattern stands outside loops, as a text of at most 64 characters \
                               without {…}";
                self.fault_at(node.id, problem);
            }
            Expr::Call(call) => {
                for part in call.target.as_deref().into_iter().chain(&call.args) {
                    self.walk(part, local);
                }
            }
            Expr::Comprehension(inner) if local.is_empty() => {
                self.walk(&inner.iter_range, local);
                local.push(&inner.iter_var);
                for part in [&inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                    self.walk(part, local);
                }
                local.pop();
            }
            // Loops in loops could take any time, and a gate has one millisecond.
            Expr::Comprehension(_) => self.fault_at(node.id, "a loop within a loop"),
            Expr::List(list) => {
                for part in &list.elements {
                    self.walk(part, local);
                }
            }
            Expr::Select(select) => self.walk(&select.operand, local),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.walk(&entry.key, local);
                        self.walk(&entry.value, local);
                    }
                }
            }
            Expr::Struct(_) => self.fault_at(node.id, "messages are not built here"),
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }
}

/// Where a ticket is presented.
#[derive(Clone, Copy)]
pub(crate) struct Spot {
    pub(crate) lane: LaneIx,
    pub(crate) gate: GateIx,
    pub(crate) area: AreaIx,
}

/// `condition_failed`, also when the expression cannot be evaluated.
pub(crate) fn check(
    park: &Park,
    product: &Product,
    ticket: &TicketState,
    spot: Spot,
    room: &impl Room,
    now: &Moment,
) -> Result<(), Reason> {
    let Some(condition) = &product.condition else { return Ok(()) };
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    for &variable in condition.variables.iter() {
        let value = value_of(variable, park, product, ticket, spot, room, now);
        context.add_variable_from_value(variable.name(), value);
    }
    match condition.program.execute(&context) {
        Ok(Value::Bool(true)) => Ok(()),
        Ok(_) | Err(_) => Err(Reason::ConditionFailed),
    }
}

fn value_of(
    variable: Variable,
    park: &Park,
    product: &Product,
    ticket: &TicketState,
    spot: Spot,
    room: &impl Room,
    now: &Moment,
) -> Value {
    let timed = || slot::bounds(park, product, ticket, now);
    match variable {
        Variable::Now => timestamp(Some(now.at)),
        Variable::Weekday => Value::Int(now.day.weekday().into()),
        Variable::Product => product.id.as_str().into(),
        Variable::Class => product.class.as_str().into(),
        Variable::Gate => park.get_gate(spot.gate).map_or("", |gate| gate.id.as_str()).into(),
        Variable::Lane => park.get_lane(spot.lane).map_or("", |lane| lane.id.as_str()).into(),
        Variable::Area => park.area(spot.area).id.as_str().into(),
        Variable::Persons => Value::Int(ticket.persons().into()),
        Variable::Entries => Value::Int(ticket.entries().into()),
        Variable::EntriesToday => Value::Int(ticket.entries_today(now.day).into()),
        Variable::EntryDays => Value::Int(ticket.entry_days().into()),
        Variable::MinutesSinceFirstEntry => minutes_since(ticket.first_entry(), now),
        Variable::MinutesSinceLastEntry => minutes_since(ticket.last_entry(), now),
        Variable::Inside => Value::Bool(ticket.persons_in(park, spot.area, now.day) > 0),
        Variable::SlotStart => timestamp(timed().map(|(start, _)| start)),
        Variable::SlotEnd => timestamp(timed().map(|(_, end)| end)),
        Variable::OccupancyPercent => occupancy_percent(park, spot.area, room),
    }
}

/// Whole minutes; −1 when never.
fn minutes_since(then: Option<UnixMs>, now: &Moment) -> Value {
    Value::Int(then.map_or(-1, |then| now.at.since_ms(then).max(0) / 60_000))
}

/// Whole percent of the area's capacity; 0 where it has none.
fn occupancy_percent(park: &Park, area: AreaIx, room: &impl Room) -> Value {
    let persons = u64::from(room.persons(area));
    let percent = match room.capacity(park, area) {
        None => 0,
        Some(0) => 100,
        Some(capacity) => persons * 100 / u64::from(capacity),
    };
    Value::Int(i64::try_from(percent).unwrap_or(i64::MAX))
}

fn timestamp(at: Option<UnixMs>) -> Value {
    at.and_then(|at| DateTime::from_timestamp_millis(at.0))
        .map_or(Value::Null, |at| Value::Timestamp(at.fixed_offset()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(source: &str) -> String {
        Condition::compile(source).map(|_| ()).unwrap_err().problem
    }

    #[test]
    fn every_variable_of_the_list_may_be_named() {
        for name in Variable::NAMES {
            assert!(Condition::compile(&format!("{name} == {name}")).is_ok(), "{name}");
        }
        assert!(Condition::compile("[\"a\", \"b\"].exists(x, lane.startsWith(x))").is_ok());
        assert!(Condition::compile("type(persons) == int && class in [\"adult\"]").is_ok());
    }

    #[test]
    fn a_fault_is_refused_at_load_with_its_position() {
        assert!(problem("entries <").contains("line 1, column 10"), "{}", problem("entries <"));
        let unknown = problem("entries < 3 && hour > 9");
        assert!(unknown.contains("line 1, column 16") && unknown.contains("\"hour\""), "{unknown}");
        assert!(problem("[1].all(x, [2].all(y, x < y))").contains("loop within a loop"));
        assert!(problem(&" ".repeat(2_000)).contains("longer"));
        for pattern in
            ["lane.matches(gate)", "lane.matches(\"n{9}\")", "[1].all(x, lane.matches(\"n\"))"]
        {
            assert!(problem(pattern).contains("a pattern stands"), "{pattern}");
        }
        assert!(Condition::compile("lane.matches(\"^(north|south)-[0-9]+$\")").is_ok());
        assert!(problem("lane.matches(\"(\")").contains("cannot be evaluated"));
    }

    #[test]
    fn what_can_never_work_is_refused_at_load() {
        for source in ["foo(1)", "now.foo == 1", "entries", "weekday + \"4\" == 1", "lane > 3"] {
            assert!(Condition::compile(source).is_err(), "{source}");
        }
        for source in [
            "entries / (entries_today - 1) < 3",
            "inside ? entries < 3 : minutes_since_last_entry >= 30",
            "now < slot_end && now.getHours(\"Asia/Shanghai\") >= 9",
            "lane.startsWith(\"n\") || area in [\"park\"] || !(weekday in [6, 7])",
        ] {
            let told = Condition::compile(source).map(|_| ()).map_err(|fault| fault.problem);
            assert_eq!(told, Ok(()), "{source}");
        }
    }

    #[test]
    fn a_condition_is_as_long_as_may_be_and_is_known_by_its_words() {
        let longest = format!("{:<SOURCE_MAX_BYTES$}", "entries < 3");
        let condition = Condition::compile(&longest).unwrap();
        assert_eq!(condition.source(), longest);
        assert!(problem(&format!("{longest} ")).contains("longer"));
        assert_eq!(condition, Condition::compile(&longest).unwrap());
        assert_ne!(condition, Condition::compile("entries < 3").unwrap());
    }
}
