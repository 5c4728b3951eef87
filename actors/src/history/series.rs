//! Counts over time by one dimension: a number for each bucket and key, as many as one answer may
//! hold. Read from the books off all async threads; nothing here is kept.

use std::collections::{BTreeMap, HashMap};

use shanmen_rules::Park;

use super::{Buckets, Cells, TooMany, moment_of, names::name_of};
use crate::{
    api::{Counted, FlowBy, FlowSeries, Series},
    ledger::{self, Books, LedgerFault},
};

/// The most counts of one answer: 56 keys for a year by the hour, or for a month by five minutes.
pub(crate) const COUNTS_MAX: usize = 500_000;

/// A series, or how it is too long for one answer.
pub(crate) fn series(
    from: Books<'_>,
    park: &Park,
    by: FlowBy,
    buckets: &Buckets,
) -> Result<Result<FlowSeries, TooMany>, LedgerFault> {
    let mut sums = Sums::of(buckets);
    for key in always(park, by) {
        sums.open(&key);
    }
    ledger::minutes(from, by, buckets.begin(), buckets.end, &mut |row| {
        if !sums.by_key.contains_key(row.key) {
            sums.open(row.key);
        }
        let place = buckets.place(row.minute);
        let cells = sums.by_key.get_mut(row.key).zip(place);
        if let Some(cell) = cells.and_then(|(cells, place)| cells.get_mut(place)) {
            cell.add(&row.cells);
        }
    })?;
    let sums = match sums.whole(by) {
        Ok(sums) => sums,
        Err(too_many) => return Ok(Err(too_many)),
    };
    let told = sums.into_iter().map(|(key, cells)| Series {
        name: name_of(park, by, &key),
        key: if by == FlowBy::Site { park.site().id.to_string() } else { key },
        counts: cells.into_iter().map(Counted::from).collect(),
    });
    Ok(Ok(FlowSeries {
        at: buckets.starts.iter().copied().map(moment_of).collect(),
        until: moment_of(buckets.end),
        series: told.collect(),
    }))
}

/// The keys that have a line even when nobody came.
pub(super) fn always(park: &Park, by: FlowBy) -> Vec<String> {
    match by {
        FlowBy::Site => vec![String::new()],
        FlowBy::Area => park.areas().iter().skip(1).map(|area| area.id.to_string()).collect(),
        FlowBy::Gate => park.gates().iter().map(|gate| gate.id.to_string()).collect(),
        _ => Vec::new(),
    }
}

/// The sums of each key. The keys are all counted, so that a refusal can tell how many there are; no
/// more room is taken for them than an answer may have.
struct Sums {
    buckets: usize,
    by_key: HashMap<String, Vec<Cells>>,
}

impl Sums {
    fn of(buckets: &Buckets) -> Self {
        Self { buckets: buckets.starts.len(), by_key: HashMap::new() }
    }

    fn counts(&self) -> usize {
        self.by_key.len().saturating_mul(self.buckets)
    }

    fn open(&mut self, key: &str) {
        let fits = self.counts() + self.buckets <= COUNTS_MAX;
        let cells = if fits { vec![Cells::default(); self.buckets] } else { Vec::new() };
        self.by_key.insert(key.to_owned(), cells);
    }

    fn whole(self, by: FlowBy) -> Result<BTreeMap<String, Vec<Cells>>, TooMany> {
        let counts = self.counts();
        if COUNTS_MAX < counts {
            let (buckets, keys) = (self.buckets, self.by_key.len());
            return Err(TooMany::Counts { buckets, keys, counts, by: by.as_str() });
        }
        Ok(self.by_key.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(buckets: i64, keys: usize) -> Result<usize, TooMany> {
        let mut sums = Sums::of(&Buckets { starts: (0..buckets).collect(), end: buckets });
        for key in 0..keys {
            sums.open(&key.to_string());
        }
        let room: usize = sums.by_key.values().map(Vec::capacity).sum();
        assert!(room <= COUNTS_MAX, "room for {room}");
        sums.whole(FlowBy::Lane).map(|sums| sums.values().map(Vec::len).sum())
    }

    #[test]
    fn an_answer_holds_so_many_counts_and_a_longer_one_takes_no_room() {
        assert_eq!(counted(10_000, 50), Ok(COUNTS_MAX));
        let refused = counted(10_000, 51).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "10000 buckets times 51 keys (by lane) are 510000 counts; one answer holds 500000 at most: \
             ask for a shorter span, for wider buckets, or by what there is less of"
        );
        assert!(counted(10_000, 5_000).is_err());
    }
}
