//! The journal of an earlier program: a table in a `SQLite` file. What is left in it is taken over once,
//! and the file goes.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use shanmen_protocols::time::UnixMs;

use super::LedgerFault;

/// Its files.
const FILES: [&str; 3] = ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"];

/// Gives every record behind number `has` to `take`, in their order.
pub(super) fn read(
    folder: &Path,
    has: i64,
    mut take: impl FnMut(i64, UnixMs, &[u8]) -> Result<(), LedgerFault>,
) -> Result<(), LedgerFault> {
    let path = folder.join(FILES[0]);
    if !path.exists() {
        return Ok(());
    }
    let journal = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut select = journal.prepare("SELECT n, at, record FROM journal WHERE n > ? ORDER BY n")?;
    let mut rows = select.query([has])?;
    while let Some(row) = rows.next()? {
        let record: Vec<u8> = row.get(2)?;
        // An empty one only held a number.
        if !record.is_empty() {
            take(row.get(0)?, UnixMs(row.get(1)?), &record)?;
        }
    }
    Ok(())
}

/// Removes it, once the books have it all.
pub(super) fn remove(folder: &Path) -> Result<(), LedgerFault> {
    for file in FILES {
        let path = folder.join(file);
        if path.exists() {
            std::fs::remove_file(&path).map_err(|error| {
                LedgerFault::Broken(format!("cannot remove {}: {error}", path.display()))
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_books_do_not_have_is_read_in_order_and_then_the_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Connection::open(folder.path().join(FILES[0])).unwrap();
        journal
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE journal (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, record BLOB NOT NULL);
                 INSERT INTO journal VALUES (7, 70, x''), (8, 80, x'01'), (9, 90, x'02');",
            )
            .unwrap();
        drop(journal);
        let mut found = Vec::new();
        let mut take = |n, at: UnixMs, record: &[u8]| {
            found.push((n, at.0, record.to_vec()));
            Ok(())
        };
        read(folder.path(), 6, &mut take).unwrap();
        remove(folder.path()).unwrap();
        read(folder.path(), 6, &mut take).unwrap();
        assert_eq!(found, vec![(8, 80, vec![1]), (9, 90, vec![2])]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
