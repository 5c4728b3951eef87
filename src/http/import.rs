//! Tickets in bulk: NDJSON or CSV, streamed, any size.
//!
//! Lines are gathered into batches, and each batch is taken whole by the control plane or not at
//! all. A line that cannot be taken is set aside and told with its number; the rest of its batch
//! is then taken without it, so that one bad line does not cost its neighbours. Every line is
//! either accepted or rejected. A line break ends a record, also within quotes: one unbalanced
//! quote must not swallow the rest of the file.

mod csv;
mod lines;

use std::{collections::BTreeSet, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use futures_util::StreamExt as _;
use serde::Serialize;
use shanmen_actors::{
    Importer,
    api::{NewTicket, RejectedLine},
};
use utoipa::ToSchema;

use self::lines::{Line, Lines};
use super::{
    App,
    body::{mask, media_type},
    json,
    problem::Problem,
    roles::{May, Sell},
};

/// Lines in a batch: one transaction of the ledger, short enough that a gate does not notice.
const BATCH: usize = Importer::BATCH_ROWS;

/// How long the caller may be silent: an import has no time limit as a whole.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Rejected lines that are told one by one; `rejected_count` has them all.
const TOLD_MAX: usize = 10_000;

/// What came of an import.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Imported {
    /// Tickets taken.
    accepted: u64,
    /// Lines refused.
    rejected_count: u64,
    /// The first 10,000 of them.
    #[schema(value_type = Vec<Rejected>)]
    rejected: Vec<RejectedLine>,
}

/// A refused line, for the document.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedLine)]
pub(super) struct Rejected {
    /// Its number, from 1.
    line: u64,
    /// What is wrong and how to mend it.
    reason: String,
}

/// Takes tickets in bulk.
#[utoipa::path(post, path = "/api/v1/tickets/import", tag = "tickets",
    request_body(
        content((String = "application/x-ndjson"), (String = "text/csv")),
        description = "A ticket a line, as in POST /api/v1/tickets. CSV begins with a line of \
                       names: product, and any of id, visit_date, slot, persons, status, \
                       credential_type, credential, channel."),
    responses((status = 200, description = "what was taken and what was not", body = Imported)))]
pub(super) async fn import(
    State(app): State<App>,
    caller: May<Sell>,
    request: Request,
) -> Result<Response, Problem> {
    let form = match media_type(request.headers()).as_deref() {
        Some("text/csv") => Form::Csv(None),
        // NDJSON, by whatever name: its lines tell soon enough if they are none.
        _ => Form::Json,
    };
    let mut intake = Intake {
        importer: app.plane.importer(&caller.user),
        form,
        batch: Vec::with_capacity(BATCH),
        done: Imported::default(),
    };
    let taken = intake.all(request.into_body()).await;
    let mut done = intake.done;
    done.rejected.sort_by_key(|line| line.line);
    let note = format!("accepted {} rejected {}", done.accepted, done.rejected_count);
    app.audit(&caller.user, "ticket.import", "", &note).await?;
    match taken {
        Ok(()) => json(&done),
        Err(problem) if done.accepted == 0 => Err(problem),
        Err(problem) => Err(Problem::malformed(format!(
            "{}; {} tickets before it were taken",
            problem.detail(),
            done.accepted
        ))),
    }
}

/// The form of the lines.
enum Form {
    Json,
    /// With the names of the columns, once they are known.
    Csv(Option<csv::Columns>),
}

/// One import under way.
struct Intake {
    importer: Importer,
    form: Form,
    batch: Vec<(u64, NewTicket)>,
    done: Imported,
}

impl Intake {
    async fn all(&mut self, body: Body) -> Result<(), Problem> {
        let mut chunks = body.into_data_stream();
        let mut lines = Lines::default();
        loop {
            let next = tokio::time::timeout(SILENCE_TIMEOUT, chunks.next()).await;
            let Ok(next) = next else {
                let detail = format!("nothing came for {} s", SILENCE_TIMEOUT.as_secs());
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail));
            };
            let Some(chunk) = next else { break };
            let chunk = chunk.map_err(|_| Problem::malformed("the body broke off"))?;
            lines.push(&chunk);
            while let Some(line) = lines.next() {
                self.line(line).await?;
            }
        }
        if let Some(line) = lines.last() {
            self.line(line).await?;
        }
        self.send().await;
        Ok(())
    }

    async fn line(&mut self, line: Line) -> Result<(), Problem> {
        let number = line.number;
        let text = match line.text {
            Ok(text) if text.trim().is_empty() => return Ok(()),
            Ok(text) => text,
            Err(reason) => {
                self.reject(number, reason.to_owned());
                return Ok(());
            }
        };
        let ticket = match &mut self.form {
            Form::Json => serde_json::from_str(&text).map_err(|fault| mask(&fault.to_string())),
            Form::Csv(Some(columns)) => columns.ticket(&text),
            Form::Csv(columns) => {
                *columns = Some(csv::Columns::read(&text).map_err(Problem::invalid)?);
                return Ok(());
            }
        };
        match ticket {
            Ok(ticket) => self.batch.push((number, ticket)),
            Err(reason) => self.reject(number, reason),
        }
        if self.batch.len() >= BATCH {
            self.send().await;
        }
        Ok(())
    }

    /// Sends the batch; where it is refused for some lines, once more without them.
    async fn send(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        for _ in 0..2 {
            if batch.is_empty() {
                return;
            }
            match self.importer.push(batch.clone()).await {
                Ok(taken) => {
                    self.done.accepted += taken;
                    return;
                }
                Err(refused) => {
                    let bad: BTreeSet<u64> = refused.iter().map(|line| line.line).collect();
                    batch.retain(|(number, _)| !bad.contains(number));
                    for line in refused {
                        self.reject(line.line, line.reason);
                    }
                }
            }
        }
        for (number, _) in batch {
            self.reject(number, "its batch could not be taken; send it again".to_owned());
        }
    }

    fn reject(&mut self, line: u64, reason: String) {
        self.done.rejected_count += 1;
        if self.done.rejected.len() < TOLD_MAX {
            self.done.rejected.push(RejectedLine { line, reason });
        }
    }
}
