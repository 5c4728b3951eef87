//! The journal's file: records in segments of a write-ahead log (crate `open-wal`), one write and one
//! `fdatasync` a group, whatever its records are.
//!
//! Owns the form of a record and what follows a disk that failed; which records there are, and who
//! waits for them, is `journal.rs`'s. A record: its number and moment (each 8 bytes, little
//! endian), a version byte, then postcard.

use std::path::{Path, PathBuf};

use open_wal::{Lsn, Wal, WalConfig, WalError};
use shanmen_protocols::time::UnixMs;

use super::{Journaled, LedgerFault};

/// How long a segment is. A new one takes some milliseconds, so not too short; an old one is deleted
/// whole, so not too long.
const SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
/// The longest record: far more than any payload that a device may send.
const RECORD_MAX_BYTES: u32 = 4 * 1024 * 1024;
/// Number and moment.
const HEAD_BYTES: usize = 16;
/// The first byte of the rest.
const VERSION: u8 = 1;

/// A record as it was committed.
pub(super) struct Kept {
    pub(super) n: i64,
    pub(super) at: UnixMs,
    pub(super) record: Journaled,
}

/// The log.
pub(super) struct Log {
    folder: PathBuf,
    /// None after a failure, until it is open again.
    wal: Option<Wal>,
    /// The number of the next record.
    next: i64,
    /// By how much a record's number is more than its place in the log.
    ahead: i64,
    room: Vec<u8>,
}

impl Log {
    /// Opens or makes the log, and gives every record behind number `has` to `take`, in their order.
    /// What a power cut left half written had been told to nobody, and is cut off.
    pub(super) fn open(
        folder: PathBuf,
        has: i64,
        mut take: impl FnMut(i64, UnixMs, &[u8]) -> Result<(), LedgerFault>,
    ) -> Result<Self, LedgerFault> {
        let (wal, newest) =
            open(&folder, |n, at, body| if has < n { take(n, at, body) } else { Ok(()) })?;
        // A new log beside old books: its numbers go on where the books are.
        let next = newest.max(has) + 1;
        let ahead = next - place(&wal);
        Ok(Self { folder, wal: Some(wal), next, ahead, room: Vec::new() })
    }

    /// The newest record's number.
    pub(super) fn newest(&self) -> i64 {
        self.next - 1
    }

    /// Writes records of the moment `at` and flushes them; gives the number of the first. After an
    /// error it is called again with the same records: what is in the log is not written twice.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub(super) fn commit<'a>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'a Journaled>,
        at: UnixMs,
    ) -> Result<i64, LedgerFault> {
        let (first, count) = (self.next, records.len());
        let (mut wal, there) = match self.wal.take() {
            Some(wal) => (wal, 0),
            None => self.open_again()?,
        };
        let failed = |error| fault(&self.folder, &error);
        for (n, record) in (first..).zip(records).skip(there) {
            self.room = kept(n, at, record, std::mem::take(&mut self.room));
            wal.append(&self.room).map_err(failed)?;
        }
        wal.commit().map_err(failed)?;
        self.wal = Some(wal);
        self.next = first + i64::try_from(count).unwrap_or(0);
        Ok(first)
    }

    /// Opens the log after a failure; how many of the records that failed are in it all the same.
    fn open_again(&mut self) -> Result<(Wal, usize), LedgerFault> {
        let (wal, newest) = open(&self.folder, |_, _, _| Ok(()))?;
        let there = usize::try_from(newest + 1 - self.next).unwrap_or(0);
        self.ahead = newest.max(self.next - 1) + 1 - place(&wal);
        Ok((wal, there))
    }

    /// Throws away the segments whose records are all older than number `n`, or that one itself.
    ///
    /// # Errors
    /// When the disk does not do it.
    pub(super) fn cut(&mut self, n: i64) -> Result<(), LedgerFault> {
        let Some(mut wal) = self.wal.take() else { return Ok(()) };
        let upto = Lsn(u64::try_from(n - self.ahead).unwrap_or(0));
        wal.checkpoint(upto).map_err(|error| fault(&self.folder, &error))?;
        self.wal = Some(wal);
        Ok(())
    }
}

/// Opens the log and reads all of it; gives the newest number too.
fn open(
    folder: &Path,
    mut see: impl FnMut(i64, UnixMs, &[u8]) -> Result<(), LedgerFault>,
) -> Result<(Wal, i64), LedgerFault> {
    let config = WalConfig { segment_size: SEGMENT_BYTES, max_record_size: RECORD_MAX_BYTES };
    let (wal, found) = Wal::open(folder, config).map_err(|error| fault(folder, &error))?;
    tracing::debug!(?found, "the journal is open");
    let mut newest = 0;
    let mut reader = wal.reader_from(Lsn::NONE).map_err(|error| fault(folder, &error))?;
    while let Some(read) = reader.next() {
        let (_, kept) = read.map_err(|error| fault(folder, &error))?;
        let Some((n, at, body)) = parts(kept) else {
            return Err(LedgerFault::Broken(format!(
                "{}: a record without a number behind number {newest}",
                folder.display()
            )));
        };
        newest = n;
        see(n, at, body)?;
    }
    drop(reader);
    Ok((wal, newest))
}

/// The place of the next record.
fn place(wal: &Wal) -> i64 {
    i64::try_from(wal.last_lsn().next().0).unwrap_or(i64::MAX)
}

fn parts(kept: &[u8]) -> Option<(i64, UnixMs, &[u8])> {
    let (head, body) = kept.split_at_checked(HEAD_BYTES)?;
    let (n, at) = head.split_first_chunk::<8>()?;
    Some((i64::from_le_bytes(*n), UnixMs(i64::from_le_bytes(at.try_into().ok()?)), body))
}

fn fault(folder: &Path, error: &WalError) -> LedgerFault {
    let folder = folder.display();
    LedgerFault::Broken(match error {
        WalError::Corruption { .. }
        | WalError::TornMidLog { .. }
        | WalError::BadSegmentHeader
        | WalError::ContiguityViolation => format!(
            "the journal in {folder} is damaged ({error}): bring it back from a backup; to go on without the last \
             passages, move this folder away"
        ),
        error => format!("the journal in {folder}: {error}"),
    })
}

/// A record as it is kept, in `room`.
fn kept(n: i64, at: UnixMs, record: &Journaled, mut room: Vec<u8>) -> Vec<u8> {
    let head = |room: &mut Vec<u8>| {
        room.clear();
        room.extend_from_slice(&n.to_le_bytes());
        room.extend_from_slice(&at.0.to_le_bytes());
    };
    head(&mut room);
    match encode(record, room) {
        Ok(kept) => kept,
        // Plain rows always can be written; were one ever not, its number is kept, and it is told.
        Err(error) => {
            tracing::error!(n, %error, "a record has no place in the journal");
            let mut empty = Vec::new();
            head(&mut empty);
            empty
        }
    }
}

/// A record behind what is in `room`: a version, and all its rows.
pub(super) fn encode(record: &Journaled, mut room: Vec<u8>) -> Result<Vec<u8>, LedgerFault> {
    room.push(VERSION);
    postcard::to_extend(record, room)
        .map_err(|error| LedgerFault::Refused(format!("cannot be written: {error}")))
}

/// Reads a record as it is kept.
pub(super) fn decode(body: &[u8]) -> Result<Journaled, LedgerFault> {
    match body.split_first() {
        Some((&VERSION, body)) => postcard::from_bytes(body)
            .map_err(|error| LedgerFault::Refused(format!("cannot be read: {error}"))),
        _ => Err(LedgerFault::Refused("of an unknown version".into())),
    }
}
