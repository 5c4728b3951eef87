//! The task that has the printer to itself: one job or one question of status at a time.
//!
//! It renders and prints, asks for the status when nothing is printed, and reports both. It keeps
//! no record and repeats nothing: that is the spool's part. It ends, in the middle of a job too, when
//! whoever started it is gone: the job's record says so at the next start.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use shanmen_protocols::ids::JobId;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::spool::{Content, Job};
use crate::print::{
    driver::{Fault, Printer},
    status::Status,
    ticket::TicketText,
};

/// What the worker reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A job has ended.
    Printed {
        /// The job.
        job: JobId,
        /// How it ended.
        end: Result<(), Fault>,
        /// Characters that stand there as boxes.
        missing: Vec<char>,
    },
    /// What the printer says of itself; none for one that does not answer; or why it cannot be
    /// asked.
    Status(Result<Option<Status>, String>),
}

/// The handle on the task.
#[derive(Debug)]
pub struct Worker {
    jobs: mpsc::Sender<Job>,
    reports: mpsc::Receiver<Report>,
    _task: AbortOnDropHandle<()>,
}

impl Worker {
    /// Starts it on the current runtime; the status is asked every `poll_ms` milliseconds.
    pub fn start(printer: Printer, poll_ms: u64) -> Self {
        // The spool hands out one job at a time.
        let (jobs, mut to_do) = mpsc::channel::<Job>(1);
        let (report, reports) = mpsc::channel(4);
        let task = tokio::spawn(async move {
            let poll = Duration::from_millis(poll_ms.max(1));
            // At once at the start: whether there is paper matters before the first job.
            let mut next = Some(Report::Status(printer.status().await));
            loop {
                if let Some(next) = next.take()
                    && report.send(next).await.is_err()
                {
                    return;
                }
                next = Some(match timeout(poll, to_do.recv()).await {
                    Ok(None) => return,
                    Ok(Some(job)) => print(&printer, job).await,
                    Err(_nothing_to_do) => Report::Status(printer.status().await),
                });
            }
        });
        Self { jobs, reports, _task: AbortOnDropHandle::new(task) }
    }

    /// A printer made of nothing, on the current runtime: it has paper without end, and what comes
    /// out is handed to `paper`. What nobody takes away falls to the floor.
    pub fn on(paper: mpsc::Sender<TicketText>) -> Self {
        let (jobs, mut to_do) = mpsc::channel::<Job>(1);
        let (report, reports) = mpsc::channel(4);
        let task = tokio::spawn(async move {
            let mut next = Report::Status(Ok(None));
            while report.send(next).await.is_ok() {
                let Some(job) = to_do.recv().await else { return };
                if let Content::Ticket(text) = job.content
                    && paper.try_send(*text).is_err()
                {
                    tracing::debug!(job = %job.id, "a ticket falls to the floor");
                }
                next = Report::Printed { job: job.id, end: Ok(()), missing: Vec::new() };
            }
        });
        Self { jobs, reports, _task: AbortOnDropHandle::new(task) }
    }

    /// Hands a job out; false when the worker has one already, which the spool does not do.
    pub fn print(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// The next report.
    pub fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Report> {
        match self.reports.poll_recv(cx) {
            Poll::Ready(Some(report)) => Poll::Ready(report),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

async fn print(printer: &Printer, job: Job) -> Report {
    let (id, copies) = (job.id, job.copies);
    let rendering = printer.clone();
    // A ticket is some milliseconds of drawing: not on a thread that others wait for.
    let rendered = tokio::task::spawn_blocking(move || match job.content {
        Content::Raw(bytes) => Ok((bytes, Vec::new())),
        Content::Ticket(text) => rendering
            .render(&text)
            .map(|rendered| (rendered.bytes, rendered.missing))
            .map_err(|error| error.to_string()),
    });
    let rendered = rendered.await.unwrap_or_else(|error| Err(error.to_string()));
    let (bytes, missing) = match rendered {
        Ok(rendered) => rendered,
        Err(why) => {
            return Report::Printed { job: id, end: Err(Fault::Before(why)), missing: Vec::new() };
        }
    };
    for copy in 0..copies {
        let end = printer.print(&bytes).await.map_err(|fault| match fault {
            // The copies before this one are out.
            Fault::Before(why) if copy > 0 => {
                Fault::Amid(format!("{copy} of {copies} copies are printed: {why}"))
            }
            fault => fault,
        });
        if end.is_err() {
            return Report::Printed { job: id, end, missing };
        }
    }
    Report::Printed { job: id, end: Ok(()), missing }
}
