//! Accounts and tokens: kept by the ledger, tokens also in memory, since every request asks.

use std::sync::Arc;

use dashmap::DashMap;
use shanmen_protocols::time::UnixMs;

use crate::{
    api::{Account, AuditLine, Fault},
    clock::Clock,
    ledger::{self, Ledger, Record, SqliteLedger, TokenRow, commit},
    twin::fault,
};

/// Whose a token is: user, roles, end.
pub(crate) type TokenOf = (String, Vec<String>, UnixMs);

/// Accounts and tokens.
pub(crate) struct Accounts {
    ledger: Arc<SqliteLedger>,
    clock: Clock,
    tokens: DashMap<[u8; 32], TokenOf>,
}

impl Accounts {
    /// With the tokens of the ledger.
    pub(crate) fn new(ledger: Arc<SqliteLedger>, clock: Clock, tokens: Vec<TokenRow>) -> Self {
        let tokens =
            tokens.into_iter().map(|(digest, user, roles, end)| (digest, (user, roles, end)));
        Self { ledger, clock, tokens: tokens.collect() }
    }

    /// Whose token it is; none when it is unknown or over.
    pub(crate) fn token(&self, digest: &[u8; 32]) -> Option<TokenOf> {
        let held = self.tokens.get(digest)?;
        (self.clock.now() < held.2).then(|| held.clone())
    }

    /// The tokens of the users that are wanted, those that are over left out: digest, user, end.
    pub(crate) fn tokens_of(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<([u8; 32], String, UnixMs)> {
        let now = self.clock.now();
        let good = self.tokens.iter().filter(|held| wanted(&held.0) && now < held.2);
        good.map(|held| (*held.key(), held.0.clone(), held.2)).collect()
    }

    /// Keeps a token.
    pub(crate) async fn put_token(
        &self,
        digest: [u8; 32],
        user: &str,
        roles: &[String],
        expires: UnixMs,
    ) -> Result<(), Fault> {
        let record =
            Record::Token { digest, user: user.to_owned(), roles: roles.to_vec(), expires };
        commit(&*self.ledger, record).await.map_err(fault)?;
        let now = self.clock.now();
        self.tokens.retain(|_, (_, _, end)| now < *end);
        self.tokens.insert(digest, (user.to_owned(), roles.to_vec(), expires));
        Ok(())
    }

    /// An account by its name.
    pub(crate) async fn account(&self, user: &str) -> Result<Option<Account>, Fault> {
        let user = user.to_owned();
        ledger::read(&self.ledger, move |books| books.account(&user)).await.map_err(fault)
    }

    /// All accounts, by name.
    pub(crate) async fn all(&self) -> Result<Vec<Account>, Fault> {
        ledger::read(&self.ledger, Ledger::accounts).await.map_err(fault)
    }

    /// Adds or replaces an account; its tokens end, so that an old password or role opens nothing.
    pub(crate) async fn put(&self, account: Account) -> Result<(), Fault> {
        let user = account.user.clone();
        commit(&*self.ledger, Record::Account(account)).await.map_err(fault)?;
        self.tokens.retain(|_, (of, _, _)| *of != user);
        Ok(())
    }

    /// Writes to the audit trail.
    pub(crate) async fn audit(&self, line: AuditLine) -> Result<(), Fault> {
        commit(&*self.ledger, Record::Audit(line)).await.map(|_| ()).map_err(fault)
    }
}
