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
    /// None after a failure, until a new one is begun.
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
    /// error it is called again with the same records. The books have everything up to number `has`.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub(super) fn commit<'a>(
        &mut self,
        records: impl ExactSizeIterator<Item = &'a Journaled>,
        at: UnixMs,
        has: i64,
    ) -> Result<i64, LedgerFault> {
        let (first, count) = (self.next, records.len());
        let mut wal = match self.wal.take() {
            Some(wal) => wal,
            None => self.begin_anew(has)?,
        };
        let failed = |error| fault(&self.folder, &error);
        for (n, record) in (first..).zip(records) {
            self.room = kept(n, at, record, std::mem::take(&mut self.room));
            wal.append(&self.room).map_err(failed)?;
        }
        wal.commit().map_err(failed)?;
        self.wal = Some(wal);
        self.next = first + i64::try_from(count).unwrap_or(0);
        Ok(first)
    }

    /// After a failure nobody can tell what of the log is on the disk: what is read back may stand in
    /// memory only. So a new one is begun, once the books have all that was told.
    fn begin_anew(&mut self, has: i64) -> Result<Wal, LedgerFault> {
        let folder = self.folder.display();
        if has < self.newest() {
            return Err(LedgerFault::Broken(format!(
                "the journal in {folder} is begun anew once the books have it all"
            )));
        }
        match std::fs::remove_dir_all(&self.folder) {
            // An attempt before this one may have come so far.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LedgerFault::Broken(format!("cannot remove {folder}: {error}")));
            }
            _ => {}
        }
        let (wal, _) = open(&self.folder, |_, _, _| Ok(()))?;
        self.ahead = self.next - place(&wal);
        Ok(wal)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use shanmen_protocols::ids::{DeviceId, Epoch};

    use super::*;
    use crate::ledger::EventRow;

    const AT: UnixMs = UnixMs(1_790_000_000_000);

    fn fact(seq: u64) -> Journaled {
        Journaled::Event(Box::new(EventRow {
            device: DeviceId::new("n1").unwrap(),
            epoch: Epoch::new("e").unwrap(),
            seq,
            at: AT,
            received_at: AT,
            kind: "boot".into(),
            body: "{}".into(),
            gap: None,
        }))
    }

    fn seq_of(record: &Journaled) -> u64 {
        let Journaled::Event(row) = record else { panic!("not a fact") };
        row.seq
    }

    fn commit(log: &mut Log, seqs: std::ops::Range<u64>) -> i64 {
        let facts: Vec<_> = seqs.map(fact).collect();
        log.commit(facts.iter(), AT, 0).unwrap()
    }

    /// What a start reads, as number and fact.
    fn reopened(folder: &Path, has: i64) -> (Log, Vec<(i64, u64)>) {
        let mut found = Vec::new();
        let log = Log::open(folder.to_owned(), has, |n, at, body| {
            assert_eq!(at, AT);
            found.push((n, seq_of(&decode(body)?)));
            Ok(())
        });
        (log.unwrap(), found)
    }

    #[test]
    fn what_was_committed_is_there_after_a_crash_and_what_the_books_have_is_not_told_again() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, found) = reopened(folder.path(), 0);
        assert_eq!((log.newest(), found), (0, vec![]));
        assert_eq!((commit(&mut log, 10..12), commit(&mut log, 12..13)), (1, 3));
        drop(log);
        let (mut log, found) = reopened(folder.path(), 1);
        assert_eq!((log.newest(), found), (3, vec![(2, 11), (3, 12)]));
        assert_eq!(commit(&mut log, 13..14), 4);
    }

    #[test]
    fn a_new_log_beside_old_books_goes_on_with_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = reopened(folder.path(), 500);
        assert_eq!(commit(&mut log, 1..3), 501);
        drop(log);
        assert_eq!(reopened(folder.path(), 500).1, vec![(501, 1), (502, 2)]);
    }

    #[test]
    fn after_a_failure_a_new_log_is_begun_once_the_books_have_what_was_told() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = reopened(folder.path(), 0);
        commit(&mut log, 1..3);
        log.wal = None;
        std::fs::remove_dir_all(folder.path()).unwrap();
        let failed = [fact(3), fact(4)];
        let told = log.commit(failed.iter(), AT, 1).err().unwrap();
        assert!(told.to_string().contains("once the books have it all"), "{told}");
        assert_eq!(log.commit(failed.iter(), AT, 2).unwrap(), 3);
        assert_eq!(commit(&mut log, 5..6), 5);
        log.cut(5).unwrap();
        drop(log);
        let (_, found) = reopened(folder.path(), 2);
        assert_eq!(found, vec![(3, 3), (4, 4), (5, 5)]);
    }

    #[test]
    fn a_torn_end_is_cut_off_and_a_hole_in_the_middle_keeps_the_program_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = reopened(folder.path(), 0);
        for seq in 1..5 {
            commit(&mut log, seq..seq + 1);
        }
        drop(log);
        let file = folder.path().join("00000000000000000001.wal");
        let bytes = std::fs::read(&file).unwrap();
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
        let open = || std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        open().write_all_at(&[0xff], last).unwrap();
        let (log, found) = reopened(folder.path(), 0);
        assert_eq!(found, vec![(1, 1), (2, 2), (3, 3)]);
        drop(log);
        open().write_all_at(&[0xff], 70).unwrap();
        let told = Log::open(folder.path().to_owned(), 0, |_, _, _| Ok(())).err().unwrap();
        assert!(told.to_string().contains("is damaged"), "{told}");
    }

    #[test]
    fn segments_that_the_books_have_go_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = reopened(folder.path(), 1_000);
        let megabytes = Journaled::Event(Box::new(EventRow {
            body: "x".repeat(3 * 1024 * 1024),
            ..match fact(1) {
                Journaled::Event(row) => *row,
                _ => panic!("not a fact"),
            }
        }));
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        for _ in 0..25 {
            log.commit([&megabytes].into_iter(), AT, 0).unwrap();
        }
        let before = files();
        log.cut(1_005).unwrap();
        assert_eq!(files(), before, "a segment holds about ten of these");
        log.cut(1_015).unwrap();
        assert_eq!(files(), before - 1);
        commit(&mut log, 7..8);
        drop(log);
        let (_, found) = reopened(folder.path(), 1_025);
        assert_eq!(found, vec![(1_026, 7)]);
    }
}
