//! A printer made of nothing: real TCP and real ESC/POS, and its paper is kept as pictures.
//!
//! It can be told that the paper is low or gone, that the cover is open, or to break the connection
//! in the middle of a job. Like a real one it stops printing without paper, answers `DLE EOT` even
//! then, and answers what stands behind a job only after the job. It keeps the last
//! [`PAGES_KEPT`] pages. Tests and the demo start it.

mod heard;

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

use self::heard::{Heard, Reader};
use super::{raster::Raster, status::Status};

/// How many pages it keeps; the oldest go first.
pub const PAGES_KEPT: usize = 256;

/// The most commands that wait for paper; beyond that it reads no further, like a full buffer.
const WAITING_MAX: usize = 64;

/// One piece of paper.
#[derive(Clone, Debug, Default)]
pub struct Page {
    row_bytes: usize,
    bits: Vec<u8>,
    text: Vec<u8>,
    /// What its own QR codes say.
    pub qr: Vec<String>,
    /// Whether it was printed to its end: a torn one is a ticket too, of a kind.
    pub whole: bool,
}

impl Page {
    /// What was printed as a picture; none when nothing was.
    pub fn picture(&self) -> Option<Raster> {
        Raster::from_rows(self.row_bytes, &self.bits).ok()
    }

    /// The lines of text, read as GB 18030.
    pub fn text(&self) -> String {
        encoding_rs::GB18030.decode_without_bom_handling(&self.text).0.into_owned()
    }

    fn is_blank(&self) -> bool {
        self.bits.is_empty() && self.text.trim_ascii().is_empty() && self.qr.is_empty()
    }
}

/// What goes wrong in the middle of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The connection breaks.
    Break,
    /// The paper ends.
    PaperEnds,
}

/// What it is told of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    status: Status,
    /// What goes wrong, once, after so many bytes of a job.
    mishap: Option<(usize, Mishap)>,
}

#[derive(Debug, Default)]
struct Paper {
    pages: VecDeque<Page>,
    /// All pages that ever came out.
    count: u64,
}

/// The printer. It stops when it is dropped.
#[derive(Debug)]
pub struct VirtualPrinter {
    address: SocketAddr,
    told: watch::Sender<Told>,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Shared {
    paper: Mutex<Paper>,
    out: watch::Sender<u64>,
}

impl VirtualPrinter {
    /// Listens on `address` (port 0 for any) on the current runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let printer = Self {
            address: listener.local_addr()?,
            told: watch::Sender::new(Told::default()),
            shared: Arc::new(Shared { paper: Mutex::default(), out: watch::Sender::new(0) }),
            stop: CancellationToken::new(),
        };
        let (told, shared) = (printer.told.clone(), Arc::clone(&printer.shared));
        let stop = printer.stop.clone();
        // One connection at a time, as most printers have it.
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut talk = Talk::new(&told, &shared);
                // A connection that ends in an error has only ended; what was begun is torn.
                talk.run(stream).await.unwrap_or_default();
                talk.end_page(false);
            }
        }));
        Ok(printer)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it says of itself, and with it whether it prints.
    pub fn set_status(&self, status: Status) {
        self.told.send_modify(|told| told.status = status);
    }

    /// Lets something go wrong, once, after so many bytes more of a job (questions of status are
    /// none).
    pub fn after(&self, bytes: usize, mishap: Mishap) {
        self.told.send_modify(|told| told.mishap = Some((bytes, mishap)));
    }

    /// Waits until what was to go wrong has gone wrong.
    pub async fn has_gone_wrong(&self) {
        if self.told.subscribe().wait_for(|told| told.mishap.is_none()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The pages that it keeps, oldest first.
    pub fn pages(&self) -> Vec<Page> {
        self.shared.lock().pages.iter().cloned().collect()
    }

    /// All pages that ever came out.
    pub fn count(&self) -> u64 {
        self.shared.lock().count
    }

    /// Waits until so many pages have come out in all.
    pub async fn printed(&self, count: u64) {
        // The sender is in `shared`: the wait ends with the pages.
        if self.shared.out.subscribe().wait_for(|out| *out >= count).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for VirtualPrinter {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Paper> {
        self.paper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_out(&self, page: Page) {
        let count = {
            let mut paper = self.lock();
            if paper.pages.len() == PAGES_KEPT {
                paper.pages.pop_front();
            }
            paper.pages.push_back(page);
            paper.count += 1;
            paper.count
        };
        self.out.send_replace(count);
    }
}

/// One connection.
struct Talk<'a> {
    told: &'a watch::Sender<Told>,
    shared: &'a Shared,
    reader: Reader,
    waiting: VecDeque<Heard>,
    page: Page,
    qr: Vec<u8>,
}

impl<'a> Talk<'a> {
    fn new(told: &'a watch::Sender<Told>, shared: &'a Shared) -> Self {
        let (reader, waiting) = (Reader::default(), VecDeque::new());
        Self { told, shared, reader, waiting, page: Page::default(), qr: Vec::new() }
    }

    async fn run(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut changes = self.told.subscribe();
        let mut buffer = [0; 4096];
        loop {
            self.work_off(&mut stream).await?;
            tokio::select! {
                read = stream.read(&mut buffer), if self.waiting.len() < WAITING_MAX => {
                    let read = read?;
                    if read == 0 {
                        return Ok(());
                    }
                    if !self.take(&buffer[..read], &mut stream).await? {
                        return Ok(());
                    }
                }
                told = changes.changed() => {
                    if told.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes bytes in; false when the connection is to break.
    async fn take(&mut self, bytes: &[u8], stream: &mut TcpStream) -> io::Result<bool> {
        let is_question = bytes.starts_with(&[0x10, 0x04]);
        let mut bytes = bytes;
        let mut breaks = false;
        let mishap = self.told.borrow().mishap.filter(|_| !is_question);
        if let Some((left, mishap)) = mishap {
            let happens = left <= bytes.len();
            breaks = happens && mishap == Mishap::Break;
            if breaks {
                bytes = &bytes[..left];
            }
            self.told.send_modify(|told| {
                told.mishap = (!happens).then(|| (left - bytes.len(), mishap));
                told.status.no_paper |= happens && mishap == Mishap::PaperEnds;
            });
        }
        let Some(heard) = self.reader.take(bytes) else { return Ok(false) };
        for heard in heard {
            if let Heard::Status(which) = heard {
                let answer = answer(self.told.borrow().status, which);
                stream.write_all(&[answer]).await?;
            } else {
                self.waiting.push_back(heard);
            }
        }
        if breaks {
            self.work_off(stream).await?;
        }
        Ok(!breaks)
    }

    /// Prints what waits, as long as it can.
    async fn work_off(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while self.told.borrow().status.obstacle().is_none() {
            let Some(heard) = self.waiting.pop_front() else { return Ok(()) };
            if let Heard::Behind(_) = heard {
                let low = self.told.borrow().status.low_paper;
                stream.write_all(&[if low { 0x03 } else { 0 }]).await?;
            } else {
                self.print(heard);
            }
        }
        Ok(())
    }

    fn print(&mut self, heard: Heard) {
        match heard {
            Heard::Start => self.end_page(false),
            Heard::Band { row_bytes, bits } => {
                self.page.row_bytes = row_bytes;
                self.page.bits.extend(bits);
            }
            Heard::Text(bytes) => self.page.text.extend(bytes),
            Heard::QrText(text) => self.qr = text,
            Heard::QrDrawn => {
                self.page.qr.push(String::from_utf8_lossy(&self.qr).into_owned());
            }
            Heard::End => self.end_page(true),
            Heard::Look | Heard::Status(_) | Heard::Behind(_) => {}
        }
    }

    fn end_page(&mut self, whole: bool) {
        let page = std::mem::take(&mut self.page);
        if !page.is_blank() {
            self.shared.put_out(Page { whole, ..page });
        }
    }
}

/// The answer to `DLE EOT`.
fn answer(status: Status, which: u8) -> u8 {
    let bit = |is: bool, bit: u8| if is { bit } else { 0 };
    0x12 | match which {
        1 => bit(status.obstacle().is_some(), 0x08),
        2 => bit(status.cover_open, 0x04) | bit(status.no_paper, 0x20),
        3 => bit(status.fault, 0x20),
        4 => bit(status.low_paper || status.no_paper, 0x0C) | bit(status.no_paper, 0x60),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
