//! Tickets that somebody else has sold: batches written as a whole or not at all, behind the gates.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::Desk;
use crate::{
    api::{Fault, NewTicket, RejectedLine},
    ledger::{BulkEntry, Ledger as _, TicketRow},
    twin::fault,
};

impl Desk {
    /// Writes a batch of an import: all of it, or none with the reasons.
    pub(crate) async fn import(
        &self,
        batch: Vec<(u64, NewTicket)>,
    ) -> Result<u64, Vec<RejectedLine>> {
        let now = self.clock.now();
        let park = self.park.full();
        let mut rows: Vec<TicketRow> = Vec::with_capacity(batch.len());
        let mut rejected = Vec::new();
        let mut lines = HashMap::with_capacity(batch.len());
        for (line, ticket) in batch {
            match self.row(&park, ticket, now) {
                Ok(row) => match lines.insert(row.id, line) {
                    None => rows.push(row),
                    Some(first) => rejected.push(RejectedLine {
                        line,
                        reason: format!("id: the same as in line {first}"),
                    }),
                },
                Err(reason) => rejected.push(RejectedLine { line, reason }),
            }
        }
        if !rejected.is_empty() {
            return Err(rejected);
        }
        let count = rows.len() as u64;
        match self.write_bulk(rows).await {
            Ok(()) => Ok(count),
            Err(error) => Err(lines
                .into_values()
                .map(|line| RejectedLine { line, reason: error.to_string() })
                .collect()),
        }
    }

    /// One transaction a batch, since it is all in or all out: callers keep batches small.
    async fn write_bulk(&self, rows: Vec<TicketRow>) -> Result<(), Fault> {
        let (done, committed) = oneshot::channel();
        let entry = BulkEntry { tickets: rows.clone(), done };
        self.ledger.append_bulk(entry).await.map_err(fault)?;
        committed
            .await
            .map_err(|_| Fault::Internal("the ledger has stopped".into()))?
            .map_err(fault)?;
        // Somebody else has sold them: they are counted, and never refused.
        let park = self.park.now();
        for row in &rows {
            self.capacity.sold().add(&park, &row.state);
        }
        self.show(rows);
        Ok(())
    }
}
