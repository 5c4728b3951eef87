//! How a kind of device plugs in: what it hears from its agent, and what is asked of it.
//!
//! It owns no state. The agent's task calls what a turnstile, kiosk, handheld or printer makes of it.

use std::task::{Context, Poll};

use serde_json::{Map, Value};
use shanmen_protocols::{
    device::{Decision, Order, Response},
    ids::{CommandId, DeviceKind, RequestId},
};

use super::{Agent, NoAnswer};

/// What a kind of device hears from its agent, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The control plane is in reach and has accepted the device, or is out of reach.
    Online(bool),
    /// The answer to a scan; a retained one has no effect, and the kind counts it.
    Decision {
        /// The answer.
        decision: Box<Decision>,
        /// Whether the broker marked it as retained.
        retained: bool,
    },
    /// Other settings are in force: [`Agent::settings`].
    Settings,
    /// A list was swapped: [`Agent::list`].
    List(String),
    /// What came of a question.
    Answer {
        /// The question.
        id: RequestId,
        /// The answer, whatever its status; or none.
        answer: Result<Box<Response>, NoAnswer>,
    },
}

/// A kind of device: its hardware, and what is done with it.
///
/// All calls come from one task and must not block; longer work goes into a task of its own that
/// reports through [`Kind::poll_noticed`].
pub trait Kind: Send + 'static {
    /// What the hello says.
    const KIND: DeviceKind;
    /// What its hardware notices.
    type Noticed: Send;

    /// The device starts: what its storage held is on [`Agent::shelf`].
    fn started(&mut self, agent: &mut Agent);

    /// The next thing that the hardware notices. `Pending` has taken nothing, so that nothing is
    /// lost when the task turns to something else.
    fn poll_noticed(&mut self, cx: &mut Context<'_>) -> Poll<Self::Noticed>;

    /// The hardware noticed something.
    fn noticed(&mut self, agent: &mut Agent, noticed: Self::Noticed);

    /// The agent heard something.
    fn hear(&mut self, agent: &mut Agent, heard: Heard);

    /// An order that has to be obeyed, once; answered by [`Agent::done`], [`Agent::refuse`] or
    /// [`Agent::ack`]. `reboot`, `sync`, `diagnose`, `config` and `firmware` are the agent's.
    fn obey(&mut self, agent: &mut Agent, id: CommandId, order: Order);

    /// When [`Kind::tick`] is due, in milliseconds since boot.
    fn wake_at_ms(&self) -> Option<u64>;

    /// Time passed.
    fn tick(&mut self, agent: &mut Agent);

    /// What was decided in this step is kept (`durable`), or cannot be kept since the disk
    /// refuses: move the hardware now. A kind that must not act without a record looks at `durable`.
    fn carry_out(&mut self, agent: &mut Agent, durable: bool);

    /// Numbers for the telemetry and for `diagnose`.
    fn telemetry(&self, values: &mut Map<String, Value>);

    /// The device is shutting down: what is under way ends now.
    fn stopping(&mut self, agent: &mut Agent);
}
