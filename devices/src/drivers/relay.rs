//! A relay board on Modbus RTU: the barrier's contacts, and lamps if there are any.
//!
//! ```toml
//! [hardware.barrier]
//! driver = "modbus-relay"
//! port = "/dev/ttyS3"
//! baud = 9600
//! slave = 1               # the board's address, 1 to 247
//! open_in = 0             # the coil that opens inwards
//! open_out = 1            # the one that opens outwards; left out where it does not open so
//! pulse_ms = 0            # 0: held while open; else the contact is closed for so long (an
//!                         # emergency holds both contacts all the same)
//! green = 2               # lamps; each may be left out
//! red = 3
//! timeout_ms = 300        # for one answer
//! ```
//!
//! What the board is to show is a state, not a queue: after a broken line the present state is
//! written, never an old opening. A write is tried three times; then the port is opened anew, and
//! the barrier is a fault. Every five seconds the state is written again, so that a board which was
//! reset shows it, and one that is gone is noticed before somebody stands there.

use std::{io, time::Duration};

use shanmen_protocols::{device::Show, ids::Direction, reason::Light};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_modbus::client::{Context, Writer as _, rtu};
use tokio_modbus::slave::Slave;
use tokio_serial::SerialStream;
use tokio_util::task::AbortOnDropHandle;

use super::{
    fault::Fault,
    section::{ConfigError, Section},
    serial::{LineSettings, Talk, Works, keep},
};
use crate::hardware::{Barrier, Display};

/// How often one write is tried before the line counts as broken.
const TRIES: u32 = 3;

/// How often the state is written again.
const REFRESH: Duration = Duration::from_secs(5);

/// What the board is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    line: LineSettings,
    coils: Coils,
    slave: u8,
    pulse: Option<Duration>,
    answer_within: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Coils {
    open_in: u16,
    open_out: Option<u16>,
    green: Option<u16>,
    red: Option<u16>,
}

/// What the board is to show now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    open: Option<Direction>,
    /// Both ways, held: an emergency, or mode `free`.
    released: bool,
    /// Counts the openings: each is one pulse.
    openings: u64,
    lamp: Option<Light>,
}

impl Relay {
    pub(super) fn take(section: &mut Section) -> Result<Self, ConfigError> {
        let slave = section.within("slave", 1, 1..=247)?;
        let pulse_ms = section.within("pulse_ms", 0, 0..=10_000)?;
        let answer_ms = section.within("timeout_ms", 300, 20..=5_000)?;
        let coils = Coils {
            open_in: section.need("open_in", "0")?,
            open_out: section.get("open_out")?,
            green: section.get("green")?,
            red: section.get("red")?,
        };
        let mut used = vec![coils.open_in];
        for (key, coil) in
            [("open_out", coils.open_out), ("green", coils.green), ("red", coils.red)]
        {
            let Some(coil) = coil else { continue };
            if used.contains(&coil) {
                return Err(section.wrong(key, &format!("coil {coil} is used twice")));
            }
            used.push(coil);
        }
        Ok(Self {
            line: LineSettings::take(section, 9_600)?,
            coils,
            slave: u8::try_from(slave).unwrap_or(1),
            pulse: (0 < pulse_ms).then(|| Duration::from_millis(pulse_ms)),
            answer_within: Duration::from_millis(answer_ms),
        })
    }

    /// Starts it on the current runtime: the barrier, and its lamps.
    pub fn start(self, fault: Fault) -> (RelayBarrier, RelayLamps) {
        let (wanted_tx, wanted) = watch::channel(Wanted::default());
        let board = Board {
            coils: self.coils,
            slave: Slave(self.slave),
            pulse: self.pulse,
            answer_within: self.answer_within,
            wanted,
            pulsed: 0,
        };
        let task: JoinHandle<()> = tokio::spawn(keep(self.line, fault, board));
        let barrier =
            RelayBarrier { wanted: wanted_tx.clone(), _task: AbortOnDropHandle::new(task) };
        (barrier, RelayLamps { wanted: wanted_tx })
    }
}

/// The barrier's contacts. Dropping it ends the task.
#[derive(Debug)]
pub struct RelayBarrier {
    wanted: watch::Sender<Wanted>,
    _task: AbortOnDropHandle<()>,
}

impl Barrier for RelayBarrier {
    fn open(&mut self, direction: Direction) {
        self.wanted.send_modify(|wanted| {
            wanted.open = Some(direction);
            wanted.released = false;
            wanted.openings += 1;
        });
    }

    fn close(&mut self) {
        self.wanted.send_modify(|wanted| {
            wanted.open = None;
            wanted.released = false;
        });
    }

    fn release(&mut self) {
        self.wanted.send_modify(|wanted| {
            wanted.open = None;
            wanted.released = true;
        });
    }
}

/// The board's lamps: a display of two colours, dark at rest.
#[derive(Debug)]
pub struct RelayLamps {
    wanted: watch::Sender<Wanted>,
}

impl Display for RelayLamps {
    fn show(&mut self, show: &Show) {
        self.wanted.send_modify(|wanted| wanted.lamp = Some(show.light));
    }

    fn rest(&mut self) {
        self.wanted.send_modify(|wanted| wanted.lamp = None);
    }
}

/// The board's side: writes what is wanted.
struct Board {
    coils: Coils,
    slave: Slave,
    pulse: Option<Duration>,
    answer_within: Duration,
    wanted: watch::Receiver<Wanted>,
    /// The openings that had their pulse.
    pulsed: u64,
}

impl Talk for Board {
    async fn talk(&mut self, line: SerialStream, works: &mut Works) -> io::Error {
        let mut board = rtu::attach_slave(line, self.slave);
        loop {
            let wanted = *self.wanted.borrow_and_update();
            if let Err(error) = self.write(&mut board, wanted).await {
                return error;
            }
            works.works();
            tokio::select! {
                changed = self.wanted.changed() => if changed.is_err() {
                    // The lane is gone: nothing changes any more, and the task ends with it.
                    std::future::pending::<()>().await;
                },
                () = sleep(REFRESH) => {}
            }
        }
    }
}

impl Board {
    async fn write(&mut self, board: &mut Context, wanted: Wanted) -> io::Result<()> {
        let held = if self.pulse.is_some() { None } else { wanted.open };
        let on = |way| wanted.released || held == Some(way);
        self.coil(board, self.coils.open_in, on(Direction::In)).await?;
        if let Some(coil) = self.coils.open_out {
            self.coil(board, coil, on(Direction::Out)).await?;
        }
        let green = wanted.lamp == Some(Light::Green);
        for (coil, on) in
            [(self.coils.green, green), (self.coils.red, wanted.lamp.is_some() && !green)]
        {
            if let Some(coil) = coil {
                self.coil(board, coil, on).await?;
            }
        }
        self.pulse(board, wanted).await
    }

    /// One pulse for an opening that had none and still stands.
    async fn pulse(&mut self, board: &mut Context, wanted: Wanted) -> io::Result<()> {
        let is_due = wanted.open.is_some() && self.pulsed < wanted.openings;
        self.pulsed = wanted.openings;
        let (Some(pulse), Some(direction), true) = (self.pulse, wanted.open, is_due) else {
            return Ok(());
        };
        let coil = match direction {
            Direction::In => Some(self.coils.open_in),
            Direction::Out => self.coils.open_out,
        };
        if let Some(coil) = coil {
            self.coil(board, coil, true).await?;
            sleep(pulse).await;
            self.coil(board, coil, false).await?;
        }
        Ok(())
    }

    async fn coil(&self, board: &mut Context, coil: u16, on: bool) -> io::Result<()> {
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        for _ in 0..TRIES {
            last = match timeout(self.answer_within, board.write_single_coil(coil, on)).await {
                Ok(Ok(Ok(()))) => return Ok(()),
                Ok(Ok(Err(refusal))) => {
                    io::Error::other(format!("the board refuses coil {coil}: {refusal}"))
                }
                Ok(Err(error)) => io::Error::other(error.to_string()),
                Err(_late) => io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the board does not answer: are its address, baud and wires right?",
                ),
            };
        }
        Err(last)
    }
}
