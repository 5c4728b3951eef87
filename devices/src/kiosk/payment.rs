//! Payments: what a kiosk asks of a payment service, and one that is driven by files.
//!
//! A payment is begun before the visitor sees its number, so that no money moves before the kiosk
//! has kept that number. It ends exactly once, as paid or as not paid; [`Payment::close`] ends one
//! that nobody waits for any more, unless it was paid a moment before. It refuses nothing by
//! itself. The kiosk calls it through [`call`], which gives each call a time.

use std::{
    fs,
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use serde_json::json;
use shanmen_protocols::ids::OrderId;

/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What a kiosk asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Begin a payment of this amount (分).
    Begin(u64),
    /// How does this payment stand?
    Status(String),
    /// End this payment, unless it is paid.
    Close(String),
}

/// What a payment service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The payment has this number; nothing is paid yet.
    Begun(String),
    /// Not paid, and it still may be.
    Pending,
    /// Paid, this amount (分). Final.
    Paid(u64),
    /// Not paid, and it never will be. Final.
    NotPaid,
}

/// A call under way.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Result<Said, String>> + Send + 'a>>;

/// A payment service.
pub trait Payment: Send + Sync {
    /// Begins a payment for an order; the same order may get the same one again. No money moves
    /// before its number is shown to a visitor. [`Said::Begun`], or why not.
    fn begin(&self, order: OrderId, amount: u64) -> Calling<'_>;

    /// How a payment stands: any of the other three.
    fn status(&self, reference: String) -> Calling<'_>;

    /// Ends a payment that is not paid: [`Said::NotPaid`], or [`Said::Paid`] when it was paid before.
    fn close(&self, reference: String) -> Calling<'_>;
}

/// Makes a call, which ends within ten seconds.
///
/// # Errors
/// Why there is no answer: nothing is known of what the call did.
pub async fn call(payment: &dyn Payment, order: OrderId, call: Call) -> Result<Said, String> {
    let calling = match call {
        Call::Begin(amount) => payment.begin(order, amount),
        Call::Status(reference) => payment.status(reference),
        Call::Close(reference) => payment.close(reference),
    };
    let said = tokio::time::timeout(CALL_TIMEOUT, calling).await;
    said.unwrap_or_else(|_| Err("the payment service does not answer".to_owned()))
}

/// Payments as files of a folder: for a till or a terminal that is joined by a script, and for
/// trying a kiosk out.
///
/// `{number}.json` is a payment that was begun: `{"order", "amount"}`. It ends when somebody makes
/// `{number}.end` with `paid` and the amount (`paid 12000`), or `not_paid`; the first end counts,
/// so a script makes it with a hard link or `set -o noclobber`.
#[derive(Clone, Debug)]
pub struct FilePayments {
    folder: PathBuf,
}

impl FilePayments {
    /// Payments in this folder, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn file(&self, reference: &str, end: &str) -> Result<PathBuf, String> {
        // The number came from here, or from a record of the kiosk: never a path.
        let plain = !reference.is_empty() && reference.bytes().all(|b| b.is_ascii_alphanumeric());
        let file = self.folder.join(format!("{reference}.{end}"));
        plain.then_some(file).ok_or_else(|| "no payment has such a number".to_owned())
    }

    /// Makes a file with its whole text at once; one that is there stays as it is.
    fn make(&self, path: &Path, text: &str) -> io::Result<()> {
        let draft = tempfile_in(&self.folder);
        let written = fs::File::create_new(&draft).and_then(|mut file| {
            io::Write::write_all(&mut file, text.as_bytes())?;
            file.sync_all()
        });
        let linked = written.and_then(|()| fs::hard_link(&draft, path));
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    }

    fn read(&self, reference: &str) -> Result<Said, String> {
        if !self.file(reference, "json")?.exists() {
            return Err("no payment has such a number".to_owned());
        }
        let text = match fs::read_to_string(self.file(reference, "end")?) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Said::Pending),
            Err(error) => return Err(format!("the payment's end cannot be read: {error}")),
        };
        let mut words = text.split_whitespace();
        match (words.next(), words.next().and_then(|amount| amount.parse().ok())) {
            (Some("paid"), Some(amount)) => Ok(Said::Paid(amount)),
            (Some("not_paid"), _) => Ok(Said::NotPaid),
            // A file that somebody is still writing.
            _ => Ok(Said::Pending),
        }
    }
}

/// A name in the folder that nothing else has.
fn tempfile_in(folder: &Path) -> PathBuf {
    folder.join(format!("{:016x}.draft", rand::random::<u64>()))
}

impl Payment for FilePayments {
    fn begin(&self, order: OrderId, amount: u64) -> Calling<'_> {
        Box::pin(async move {
            let reference = order.0.simple().to_string();
            let text = json!({ "order": order, "amount": amount }).to_string();
            self.make(&self.file(&reference, "json")?, &text)
                .map_err(|error| format!("the payment cannot be begun: {error}"))?;
            Ok(Said::Begun(reference))
        })
    }

    fn status(&self, reference: String) -> Calling<'_> {
        Box::pin(async move { self.read(&reference) })
    }

    fn close(&self, reference: String) -> Calling<'_> {
        Box::pin(async move {
            self.make(&self.file(&reference, "end")?, "not_paid\n")
                .map_err(|error| format!("the payment cannot be closed: {error}"))?;
            self.read(&reference)
        })
    }
}

/// Payments made of nothing: each is paid as soon as it is asked after. Its number tells all that
/// there is to know of it.
#[derive(Clone, Copy, Debug)]
pub struct VirtualPayments;

impl Payment for VirtualPayments {
    fn begin(&self, order: OrderId, amount: u64) -> Calling<'_> {
        let number = format!("virtual-{}-{amount}", order.0.simple());
        Box::pin(std::future::ready(Ok(Said::Begun(number))))
    }

    fn status(&self, reference: String) -> Calling<'_> {
        let amount = reference.rsplit('-').next().and_then(|amount| amount.parse().ok());
        Box::pin(std::future::ready(Ok(amount.map_or(Said::NotPaid, Said::Paid))))
    }

    fn close(&self, reference: String) -> Calling<'_> {
        self.status(reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_payment_of_files_ends_once() {
        let folder = tempfile::tempdir().unwrap();
        let payments = FilePayments::open(folder.path()).unwrap();
        let order = OrderId::fresh();
        let Ok(Said::Begun(number)) = call(&payments, order, Call::Begin(12_000)).await else {
            panic!("not begun")
        };
        let again = call(&payments, order, Call::Begin(12_000)).await;
        assert_eq!(again, Ok(Said::Begun(number.clone())));
        let status = || call(&payments, order, Call::Status(number.clone()));
        assert_eq!(status().await, Ok(Said::Pending));
        let end = folder.path().join(format!("{number}.end"));
        fs::write(&end, "").unwrap();
        assert_eq!(status().await, Ok(Said::Pending), "somebody is still writing");
        fs::write(&end, "paid 12000\n").unwrap();
        assert_eq!(status().await, Ok(Said::Paid(12_000)));
        let close = call(&payments, order, Call::Close(number.clone())).await;
        assert_eq!(close, Ok(Said::Paid(12_000)), "paid a moment before");
        assert!(call(&payments, order, Call::Status("../x".into())).await.is_err());
    }

    #[tokio::test]
    async fn a_closed_payment_is_never_paid() {
        let folder = tempfile::tempdir().unwrap();
        let payments = FilePayments::open(folder.path()).unwrap();
        let order = OrderId::fresh();
        let Ok(Said::Begun(number)) = call(&payments, order, Call::Begin(5)).await else {
            panic!("not begun")
        };
        let close = call(&payments, order, Call::Close(number.clone())).await;
        assert_eq!(close, Ok(Said::NotPaid));
        let late = folder.path().join(format!("{number}.end"));
        assert!(fs::File::create_new(late).is_err(), "a script cannot end it again");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no draft is left");
    }
}
