//! An attendant with a handheld: a real one, whose operator is a program.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::bail;
use shanmen_devices::{
    clock::Clock as DeviceClock,
    handheld::{
        HandheldConfig, VirtualHandheld,
        words::{Input, Output},
    },
};
use shanmen_protocols::{
    device::Credential,
    ids::{Direction, GrantId, ScanId},
    time::ClockState,
};
use tokio_util::sync::CancellationToken;

use crate::{oracle::Seen, server::Login};

/// The attendant.
pub struct Hand {
    handheld: VirtualHandheld,
    passages: AtomicU64,
}

impl Hand {
    /// Starts the handheld, and logs its operator in.
    pub async fn start(
        config: HandheldConfig,
        login: &Login,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let clock = DeviceClock::boot(ClockState::Synced);
        let handheld = VirtualHandheld::start(config, clock, shutdown);
        handheld.handle().ready().await?;
        let (user, password) = (login.user.clone(), login.password.clone());
        match handheld.act(Input::Login { user, password }).await? {
            Output::LoggedIn { .. } => {}
            Output::Refused { why, .. } => bail!("a handheld's login is refused: {why}"),
            other => bail!("a handheld's login is answered {other:?}"),
        }
        Ok(Self { handheld, passages: AtomicU64::new(0) })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.handheld.handle().is_ready()
    }

    pub(super) async fn ready(&self) -> anyhow::Result<()> {
        Ok(self.handheld.handle().ready().await?)
    }

    pub(super) async fn gone(&self) -> anyhow::Result<()> {
        Ok(self.handheld.handle().offline().await?)
    }

    pub(super) async fn settled(&self) -> anyhow::Result<()> {
        Ok(self.handheld.handle().settled().await?)
    }

    pub(super) fn facts(&self) -> u64 {
        self.handheld.handle().stats().facts
    }

    /// Checks what somebody shows; none where nothing was checked.
    pub(super) async fn check(
        &self,
        credential: Credential,
        direction: Direction,
    ) -> Option<(ScanId, Seen)> {
        let input = Input::Scan { credential, direction: Some(direction), confirm: None };
        match self.handheld.act(input).await.ok()? {
            Output::Decision { scan, result, reason, persons, by, .. } => {
                // The handheld keeps the grant's id to itself; the presentation's is as good.
                let granted = result == shanmen_protocols::device::DecisionResult::Grant;
                let grant = granted.then_some(GrantId(scan.0));
                Some((scan, Seen { by, result, reason, grant, persons }))
            }
            _ => None,
        }
    }

    /// So many passed; how it ended.
    pub(super) async fn passed(&self, scan: ScanId, count: u32) -> Option<Output> {
        self.passages.fetch_add(1, Relaxed);
        self.handheld.act(Input::Passed { scan, count: Some(count) }).await.ok()
    }
}
