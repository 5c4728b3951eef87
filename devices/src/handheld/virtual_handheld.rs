//! A handheld whose operator is a program: for the demo and for tests, cheap, in memory.
//!
//! The device is the real one, behind a channel in place of standard input and output. Calls wait
//! for their own answer, in order; other lines are left out.

use std::time::Duration;

use shanmen_protocols::{
    device::{Credential, DecisionResult},
    ids::DeviceId,
};
use tokio::{sync::Mutex, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    HandheldConfig, HandheldHandle,
    front::{Front, Hand},
    start,
    words::{Input, Line, Output},
};
use crate::{
    agent::Stopped,
    clock::Clock,
    firmware::Upkeep,
    storage::{MemoryStorage, Storage},
};

/// How long an answer is waited for: the agent gives a question up before.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A real handheld with a program as its operator.
#[derive(Debug)]
pub struct VirtualHandheld {
    device: DeviceId,
    handle: HandheldHandle,
    hand: Mutex<(u64, Hand)>,
}

impl VirtualHandheld {
    /// Starts it on the current runtime.
    pub fn start(config: HandheldConfig, clock: Clock, shutdown: CancellationToken) -> Self {
        let (front, hand) = Front::channel();
        let device = config.agent.device.clone();
        let machine: (Box<dyn Storage>, Upkeep) = (Box::new(MemoryStorage), Upkeep::default());
        let handle = start(config, front, None, machine, clock, shutdown);
        Self { device, handle, hand: Mutex::new((0, hand)) }
    }

    /// The device.
    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    /// The running handheld.
    pub fn handle(&self) -> &HandheldHandle {
        &self.handle
    }

    /// Does something, and waits for what comes of it.
    ///
    /// # Errors
    /// [`Stopped`]: the device is shut down, or did not answer in time.
    pub async fn act(&self, input: Input) -> Result<Output, Stopped> {
        let mut hand = self.hand.lock().await;
        hand.0 += 1;
        let number = hand.0;
        hand.1.said.send(Ok((Some(number), input))).await.map_err(|_gone| Stopped)?;
        let answered = async {
            while let Some(Line { n, output }) = hand.1.heard.recv().await {
                if n == Some(number) {
                    return Ok(output);
                }
            }
            Err(Stopped)
        };
        timeout(ANSWER_WITHIN, answered).await.map_err(|_late| Stopped)?
    }

    /// The next line that answers nothing: a message, a logout, the end of a grant.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn hear(&self) -> Result<Output, Stopped> {
        let mut hand = self.hand.lock().await;
        loop {
            match hand.1.heard.recv().await {
                Some(Line { n: None, output }) => return Ok(output),
                Some(_) => {}
                None => return Err(Stopped),
            }
        }
    }

    /// Checks what somebody shows, and says that all passed whom it lets pass. The decision, or why
    /// nothing was checked.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn check(&self, credential: Credential) -> Result<Output, Stopped> {
        let input = Input::Scan { credential, direction: None, confirm: None };
        let decision = self.act(input).await?;
        if let Output::Decision { scan, result: DecisionResult::Grant, .. } = decision {
            self.act(Input::Passed { scan, count: None }).await?;
        }
        Ok(decision)
    }

    /// Waits until the task has ended, after its token was cancelled.
    pub async fn stopped(self) {
        self.handle.stopped().await;
    }
}
