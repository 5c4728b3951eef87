//! One printer: its language on its sink, with a timeout on every wait.
//!
//! A job is asked for leave first (paper, cover), then sent, and counts as printed only when the
//! printer answers what stands behind the job in its queue. So a fault says which it was: nothing
//! was printed ([`Fault::Before`]), or nobody knows ([`Fault::Amid`]). It refuses to send again by
//! itself. The printer kind and the kiosk call it.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};

use super::{
    escpos::{self, Ending},
    label,
    raster::{NoPicture, Raster},
    sink::{Sink, Stream},
    status::Status,
    ticket::{self, NoTicket, TicketText},
};

/// The language that a printer speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Receipt and ticket printers.
    #[default]
    Escpos,
    /// Label printers of TSC and their kin.
    Tspl,
    /// Label printers of Zebra and their kin.
    Zpl,
}

/// How tickets are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As a picture: alike on every printer.
    #[default]
    Picture,
    /// As text in the printer's own Chinese font; ESC/POS only.
    Text,
}

/// How one printer is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manner {
    /// Its language.
    pub language: Language,
    /// How tickets are printed.
    pub form: Form,
    /// How a job ends; ESC/POS only.
    pub ending: Ending,
    /// The dots of its head, 8 to 10,000; the ticket has 576 and is put in the middle.
    pub head_dots: u32,
    /// How long an opening, a write or a status may take, in milliseconds.
    pub step_ms: u64,
    /// How long the paper may take after the last byte, in milliseconds.
    pub paper_ms: u64,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            language: Language::default(),
            form: Form::default(),
            ending: Ending::default(),
            head_dots: ticket::WIDTH_DOTS,
            step_ms: 3_000,
            paper_ms: 20_000,
        }
    }
}

/// Why a job did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing was printed.
    #[error("not printed: {0}")]
    Before(String),
    /// Some or all of it may be on paper.
    #[error("nobody knows whether it was printed: {0}")]
    Amid(String),
}

/// One printer.
#[derive(Clone, Debug)]
pub struct Printer {
    sink: Arc<dyn Sink>,
    manner: Manner,
}

/// What a ticket is as bytes, and what it lacks.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// For the printer.
    pub bytes: Vec<u8>,
    /// Characters that stand there as boxes.
    pub missing: Vec<char>,
}

impl Printer {
    /// A printer that is spoken to in this manner.
    pub fn new(sink: Arc<dyn Sink>, manner: Manner) -> Self {
        Self { sink, manner }
    }

    /// A ticket as this printer's bytes. It takes some milliseconds of work.
    ///
    /// # Errors
    /// [`NoTicket`]: nothing was printed.
    pub fn render(&self, text: &TicketText) -> Result<Rendered, NoTicket> {
        if (self.manner.language, self.manner.form) == (Language::Escpos, Form::Text) {
            return Ok(Rendered {
                bytes: escpos::text(text, self.manner.ending),
                missing: Vec::new(),
            });
        }
        let laid = ticket::lay_out(text)?;
        let bytes = self.encode(&ticket::draw(&laid)?)?;
        Ok(Rendered { bytes, missing: laid.missing })
    }

    /// A picture as this printer's bytes.
    ///
    /// # Errors
    /// [`NoPicture::Size`] when the head is of no possible width.
    pub fn encode(&self, picture: &Raster) -> Result<Vec<u8>, NoPicture> {
        let picture = picture.centred(self.manner.head_dots)?;
        Ok(match self.manner.language {
            Language::Escpos => escpos::raster(&picture, self.manner.ending),
            Language::Tspl => label::tspl(&picture),
            Language::Zpl => label::zpl(&picture),
        })
    }

    /// Sends one job and waits until it is printed.
    ///
    /// It ends within three steps, the sending and the paper's time.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn print(&self, bytes: &[u8]) -> Result<(), Fault> {
        let mut stream = self.open().await.map_err(Fault::Before)?;
        if self.sink.answers() {
            let (status, _) = self.ask(&mut *stream).await.map_err(Fault::Before)?;
            if let Some(obstacle) = status.obstacle() {
                return Err(Fault::Before(obstacle.to_owned()));
            }
        }
        // From here on a byte may be on its way.
        self.send(&mut *stream, bytes).await.map_err(Fault::Amid)?;
        if self.sink.answers() {
            let patience = Duration::from_millis(self.manner.paper_ms);
            let printed = timeout(patience, self.printed(&mut *stream)).await;
            printed
                .unwrap_or_else(|_| Err("the printer does not say that it is done".to_owned()))
                .map_err(Fault::Amid)?;
        }
        Ok(())
    }

    /// What the printer says of itself; none for a sink that does not answer.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub async fn status(&self) -> Result<Option<Status>, String> {
        if !self.sink.answers() {
            return Ok(None);
        }
        let mut stream = self.open().await?;
        self.ask(&mut *stream).await.map(|(status, _)| Some(status))
    }

    async fn open(&self) -> Result<Box<dyn Stream>, String> {
        let opened = timeout(self.step(), self.sink.open()).await;
        let told = |problem: &str| format!("{:?} cannot be opened: {problem}", self.sink);
        opened.map_err(|_| told("no answer in time"))?.map_err(|error| told(&error.to_string()))
    }

    /// Writes in pieces, each with its own time, so that a large job on a slow line is no fault.
    async fn send(&self, stream: &mut dyn Stream, bytes: &[u8]) -> Result<(), String> {
        for piece in bytes.chunks(4 * 1024) {
            let sent = timeout(self.step(), stream.write_all(piece)).await;
            sent.map_err(|_| "the printer takes no more bytes".to_owned())?
                .map_err(|error| format!("the connection to the printer is lost: {error}"))?;
        }
        let flushed = timeout(self.step(), stream.flush()).await;
        flushed
            .map_err(|_| "the printer takes no more bytes".to_owned())?
            .map_err(|error| format!("the connection to the printer is lost: {error}"))
    }

    async fn answer<const N: usize>(&self, stream: &mut dyn Stream) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        let read = timeout(self.step(), stream.read_exact(&mut bytes)).await;
        read.map_err(|_| "the printer does not answer".to_owned())?
            .map_err(|error| format!("the connection to the printer is lost: {error}"))?;
        Ok(bytes)
    }

    /// The status, and whether it is still printing.
    async fn ask(&self, stream: &mut dyn Stream) -> Result<(Status, bool), String> {
        let strange = || "the printer's answer is none of its language".to_owned();
        match self.manner.language {
            Language::Escpos => {
                let mut answers = [0; 4];
                for (answer, question) in answers.iter_mut().zip(escpos::STATUS) {
                    self.send(stream, &question).await?;
                    [*answer] = self.answer(stream).await?;
                }
                let status = escpos::status(answers).ok_or_else(strange)?;
                Ok((status, false))
            }
            Language::Tspl => {
                self.send(stream, label::TSPL_STATUS).await?;
                let [answer] = self.answer(stream).await?;
                Ok(label::tspl_status(answer))
            }
            Language::Zpl => {
                self.send(stream, label::ZPL_STATUS).await?;
                let mut bytes = Vec::with_capacity(128);
                let mut lines = 0;
                while lines < label::ZPL_STATUS_LINES && bytes.len() < 256 {
                    let [byte] = self.answer(stream).await?;
                    lines += usize::from(byte == b'\n');
                    bytes.push(byte);
                }
                label::zpl_status(&bytes).ok_or_else(strange)
            }
        }
    }

    /// Waits until the job that was sent is on paper.
    async fn printed(&self, stream: &mut dyn Stream) -> Result<(), String> {
        if self.manner.language == Language::Escpos {
            self.send(stream, &escpos::BEHIND_THE_JOB).await?;
            let mut answer = [0; 1];
            let read = stream.read_exact(&mut answer).await;
            read.map_err(|error| format!("the connection to the printer is lost: {error}"))?;
            return match escpos::behind_the_job(answer[0]) {
                Some(true) => Ok(()),
                Some(false) => Err("no_paper".to_owned()),
                None => Err("the printer's answer is none of its language".to_owned()),
            };
        }
        loop {
            let (status, printing) = self.ask(stream).await?;
            if let Some(obstacle) = status.obstacle() {
                return Err(obstacle.to_owned());
            }
            if !printing {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn step(&self) -> Duration {
        Duration::from_millis(self.manner.step_ms)
    }
}
