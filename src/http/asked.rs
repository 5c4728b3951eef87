//! What a report is asked with: from when to when, and how many rows.

use axum::extract::{Query, rejection::QueryRejection};
use jiff::Timestamp;
use shanmen_protocols::time::UnixMs;

use super::{App, problem::Problem};

/// The most rows of one answer, and how many without a wish.
const ROWS_MAX: u32 = 1_000;
const ROWS: u32 = 100;
const DAY_MS: i64 = 24 * 3_600_000;

/// From when to when: the last day without a wish, the last millisecond in.
pub(super) fn span(
    app: &App,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(UnixMs, UnixMs), Problem> {
    let now = app.plane.clock().now().plus_ms(1);
    let until = to.map_or(Ok(now), |text| moment("to", text))?;
    let from = from.map_or(Ok(until.plus_ms(-DAY_MS)), |text| moment("from", text))?;
    Ok((from, until))
}

/// How many rows.
pub(super) fn rows(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(ROWS);
    if (1..=ROWS_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::invalid(format!("limit: 1 to {ROWS_MAX}")))
}

/// What a query asks, or what can be asked.
pub(super) fn asked<T>(query: Result<Query<T>, QueryRejection>, known: &str) -> Result<T, Problem> {
    let refused = |_| Problem::malformed(format!("what can be asked: {known}"));
    query.map(|Query(query)| query).map_err(refused)
}

/// A moment of a query; a `+` that nobody escaped has become a space on its way.
pub(super) fn moment(name: &str, text: &str) -> Result<UnixMs, Problem> {
    let at: Timestamp = text.trim().replace(' ', "+").parse().map_err(|_| {
        Problem::invalid(format!("{name}: a moment like 2026-10-01T09:00:00+08:00"))
    })?;
    Ok(UnixMs(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_a_query_may_have_lost_its_plus() {
        let told = |text| moment("from", text).map_err(|problem| problem.detail().to_owned());
        assert_eq!(told("2026-10-01T09:00:00 08:00"), Ok(UnixMs(1_790_816_400_000)));
        assert_eq!(told("2026-10-01T01:00:00Z"), Ok(UnixMs(1_790_816_400_000)));
        assert!(told("today").unwrap_err().starts_with("from: "));
    }
}
