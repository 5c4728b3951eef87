//! A storage in one `SQLite` file: what a real device has.
//!
//! Each commit is one transaction with `synchronous=FULL`: it is reported done when the disk has
//! it, so that neither a kill nor a power cut takes it back. One thread owns the file and does one
//! commit after the other; the device waits for its word, not in the file. The file is locked for
//! this one process, readable for its owner only, and what is deleted is overwritten, since a fact
//! decided offline names what was presented. A file that is damaged is put aside, never deleted,
//! and the device goes on with a fresh one under a new epoch.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use shanmen_protocols::{device::LogEvent, ids::Epoch};
use tokio::sync::oneshot;
use tracing::error;

use super::{Commit, Kept, KeptList, Start, Storage, StorageError, Write};

/// Commits that wait for the disk: a device waits for each, so that there is rarely more than one.
const COMMITS_MAX: usize = 64;

/// The schema's version in `user_version`.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE fact (seq INTEGER PRIMARY KEY, json TEXT NOT NULL);
    CREATE TABLE shelf (
        shelf TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (shelf, name)
    ) WITHOUT ROWID;
    CREATE TABLE list (
        name TEXT PRIMARY KEY, version INTEGER NOT NULL, sha256 TEXT NOT NULL, text TEXT NOT NULL
    ) WITHOUT ROWID;
";

struct Job {
    writes: Vec<Write>,
    done: oneshot::Sender<Result<(), StorageError>>,
}

/// A storage in a file.
#[derive(Debug)]
pub struct SqliteStorage {
    kept: Option<Kept>,
    jobs: mpsc::SyncSender<Job>,
}

impl SqliteStorage {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// [`StorageError`]: it cannot be opened or read, or another process has it.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let (db, kept) = match open(path) {
            Ok(opened) => opened,
            Err(broken) if is_damaged(&broken) => {
                let aside = put_aside(path).map_err(|why| StorageError::Refused {
                    what: "putting the damaged file aside",
                    path: path.display().to_string(),
                    why: why.to_string(),
                })?;
                error!(path = %path.display(), aside = %aside.display(), %broken,
                    "the storage is damaged and was put aside; its facts are not sent");
                let (db, kept) = open(path).map_err(|why| refused("opening", path, &why))?;
                (db, Kept { start: Start::Lost, ..kept })
            }
            Err(why) => return Err(refused("opening", path, &why)),
        };
        let (jobs, jobs_rx) = mpsc::sync_channel(COMMITS_MAX);
        let of = path.to_owned();
        thread::Builder::new()
            .name("storage".into())
            .spawn(move || write_all(db, &of, &jobs_rx))
            .map_err(|why| StorageError::Refused {
            what: "starting the writer",
            path: path.display().to_string(),
            why: why.to_string(),
        })?;
        Ok(Self { kept: Some(kept), jobs })
    }
}

impl Storage for SqliteStorage {
    fn kept(&mut self) -> Kept {
        self.kept.take().unwrap_or_else(Kept::nothing)
    }

    fn commit(&mut self, writes: Vec<Write>) -> Commit {
        let (done, wait) = oneshot::channel();
        if let Err(full) = self.jobs.try_send(Job { writes, done }) {
            let (mpsc::TrySendError::Full(job) | mpsc::TrySendError::Disconnected(job)) = full;
            // The receiver is ours, it is there.
            job.done.send(Err(StorageError::Closed)).ok();
        }
        Some(wait)
    }
}

fn refused(what: &'static str, path: &Path, why: &rusqlite::Error) -> StorageError {
    StorageError::Refused { what, path: path.display().to_string(), why: why.to_string() }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Renames the file and what `SQLite` keeps beside it.
fn put_aside(path: &Path) -> std::io::Result<PathBuf> {
    let beside = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    let aside =
        (1..1_000_u32).map(|n| beside(&format!(".broken-{n}"))).find(|aside| !aside.exists());
    let aside = aside.unwrap_or_else(|| beside(".broken"));
    fs::rename(path, &aside)?;
    for end in ["-wal", "-shm"] {
        match fs::rename(beside(end), format!("{}{end}", aside.display())) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

fn open(path: &Path) -> rusqlite::Result<(Connection, Kept)> {
    make_private(path);
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "secure_delete", true)?;
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let fresh = version == 0;
    if fresh {
        tx.execute_batch(SCHEMA)?;
        let epoch = Kept::nothing().epoch;
        set_meta(&tx, "epoch", epoch.as_str())?;
        set_meta(&tx, "next_seq", "1")?;
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    let mut kept = read(&tx)?;
    kept.start = if fresh { Start::Fresh } else { Start::Again };
    tx.commit()?;
    Ok((db, kept))
}

/// A file that only its owner may read, before anything stands in it.
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Where that fails, SQLite says better why.
    fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).ok();
}

fn set_meta(db: &Connection, name: &str, value: &str) -> rusqlite::Result<usize> {
    db.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?.execute(params![name, value])
}

fn meta(db: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    db.query_row(sql, [name], |row| row.get(0)).optional()
}

fn read(db: &Connection) -> rusqlite::Result<Kept> {
    let nothing = Kept::nothing();
    let mut facts = Vec::new();
    let mut rows = db.prepare("SELECT json FROM fact ORDER BY seq")?;
    for json in rows.query_map([], |row| row.get::<_, String>(0))? {
        match serde_json::from_str::<LogEvent>(&json?) {
            Ok(fact) => facts.push(fact),
            Err(error) => error!(%error, "a fact in the storage cannot be read, and is left out"),
        }
    }
    let mut shelves: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut rows = db.prepare("SELECT shelf, name, value FROM shelf")?;
    for row in rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))? {
        let (shelf, name, value): (String, String, String) = row?;
        shelves.entry(shelf).or_default().insert(name, value);
    }
    let mut lists = BTreeMap::new();
    let mut rows = db.prepare("SELECT name, version, sha256, text FROM list")?;
    let list = |row: &rusqlite::Row<'_>| {
        let version = row.get::<_, i64>(1)?.try_into().unwrap_or(0);
        let text: Arc<str> = row.get::<_, String>(3)?.into();
        Ok((row.get::<_, String>(0)?, KeptList { version, sha256: row.get(2)?, text }))
    };
    for row in rows.query_map([], list)? {
        let (name, list) = row?;
        lists.insert(name, list);
    }
    let next_seq = meta(db, "next_seq")?.and_then(|text| text.parse().ok());
    Ok(Kept {
        epoch: meta(db, "epoch")?.and_then(|text| Epoch::new(&text)).unwrap_or(nothing.epoch),
        next_seq: next_seq.unwrap_or(1),
        facts,
        shelves,
        lists,
        start: Start::Again,
    })
}

/// The writer: one transaction for each job, until nobody sends any more.
fn write_all(mut db: Connection, path: &Path, jobs: &mpsc::Receiver<Job>) {
    while let Ok(Job { writes, done }) = jobs.recv() {
        let kept = write(&mut db, &writes).map_err(|why| refused("writing", path, &why));
        // Nobody waits for what may take its time.
        done.send(kept).ok();
    }
}

fn write(db: &mut Connection, writes: &[Write]) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for one in writes {
        match one {
            Write::Fact(fact) => {
                let json = serde_json::to_string(fact).unwrap_or_default();
                let seq = i64::try_from(fact.seq).unwrap_or(i64::MAX);
                tx.prepare_cached("INSERT OR REPLACE INTO fact VALUES (?1, ?2)")?
                    .execute(params![seq, json])?;
                tx.prepare_cached(
                    "UPDATE meta SET value = ?1
                     WHERE name = 'next_seq' AND CAST(value AS INTEGER) < CAST(?1 AS INTEGER)",
                )?
                .execute([fact.seq.saturating_add(1).to_string()])?;
            }
            Write::DropFacts(upto) => {
                let upto = i64::try_from(*upto).unwrap_or(i64::MAX);
                tx.prepare_cached("DELETE FROM fact WHERE seq <= ?1")?.execute([upto])?;
            }
            Write::DropFact(seq) => {
                let seq = i64::try_from(*seq).unwrap_or(i64::MAX);
                tx.prepare_cached("DELETE FROM fact WHERE seq = ?1")?.execute([seq])?;
            }
            Write::Put { shelf, key, value } => {
                tx.prepare_cached("INSERT OR REPLACE INTO shelf VALUES (?1, ?2, ?3)")?
                    .execute(params![shelf, key, value])?;
            }
            Write::Remove { shelf, key } => {
                tx.prepare_cached("DELETE FROM shelf WHERE shelf = ?1 AND name = ?2")?
                    .execute(params![shelf, key])?;
            }
            Write::List { name, list } => {
                let version = i64::try_from(list.version).unwrap_or(i64::MAX);
                tx.prepare_cached("INSERT OR REPLACE INTO list VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![name, version, list.sha256, &*list.text])?;
            }
        }
    }
    tx.commit()
}

#[cfg(test)]
mod tests {
    use shanmen_protocols::{device::Body, time::TimeBlock};

    use super::*;

    fn fact(seq: u64) -> Write {
        Write::Fact(LogEvent {
            time: TimeBlock::default(),
            seq,
            body: Body::Gap { from: 1, to: 2 },
        })
    }

    fn commit(storage: &mut SqliteStorage, writes: Vec<Write>) {
        storage.commit(writes).unwrap().blocking_recv().unwrap().unwrap();
    }

    /// The writer gives the file back when its last job is done, a moment after its owner went.
    fn reopen(path: &Path) -> SqliteStorage {
        for _ in 0..1_000 {
            match SqliteStorage::open(path) {
                Ok(storage) => return storage,
                Err(_) => thread::yield_now(),
            }
        }
        SqliteStorage::open(path).unwrap()
    }

    #[test]
    fn what_is_committed_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.db");
        let mut storage = SqliteStorage::open(&path).unwrap();
        let first = storage.kept();
        assert_eq!((first.start, first.next_seq), (Start::Fresh, 1));
        let list = KeptList { version: 3, sha256: "ab".into(), text: Arc::from("a\nb\n") };
        let put = |key: &str| Write::Put { shelf: "lane", key: key.into(), value: "7".into() };
        commit(&mut storage, vec![fact(1), fact(2), fact(3), put("a"), put("b")]);
        commit(
            &mut storage,
            vec![
                Write::DropFacts(1),
                Write::DropFact(2),
                Write::Remove { shelf: "lane", key: "a".into() },
                Write::List { name: "deny".into(), list: list.clone() },
            ],
        );
        drop(storage);
        let kept = reopen(&path).kept();
        assert_eq!((kept.start, kept.next_seq, kept.epoch), (Start::Again, 4, first.epoch));
        assert_eq!(kept.facts.iter().map(|fact| fact.seq).collect::<Vec<_>>(), [3]);
        assert_eq!(kept.shelves["lane"].keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(kept.lists["deny"], list);
    }

    #[test]
    fn numbers_go_on_after_everything_is_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.db");
        let mut storage = SqliteStorage::open(&path).unwrap();
        commit(&mut storage, vec![fact(1), fact(2), Write::DropFacts(2)]);
        drop(storage);
        let kept = reopen(&path).kept();
        assert_eq!((kept.next_seq, kept.facts.len()), (3, 0));
    }

    #[test]
    fn a_damaged_file_is_put_aside_and_the_epoch_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.db");
        fs::write(&path, vec![0x5A; 8_192]).unwrap();
        let kept = SqliteStorage::open(&path).unwrap().kept();
        assert_eq!((kept.start, kept.next_seq), (Start::Lost, 1));
        assert!(folder.path().join("device.db.broken-1").exists());
    }

    #[test]
    fn two_processes_do_not_share_a_file_and_nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.db");
        let storage = SqliteStorage::open(&path).unwrap();
        assert!(SqliteStorage::open(&path).is_err(), "it is locked");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(storage);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let missing = Path::new("/nowhere/at/all/device.db");
        let error = SqliteStorage::open(missing).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all/device.db"), "{error}");
    }
}
