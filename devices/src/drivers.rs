//! Drivers of real hardware on a Linux gate controller, behind the traits of [`crate::hardware`].
//!
//! | file | what it owns |
//! | --- | --- |
//! | [`serial_qr`] | a scanner on a serial line (`serial-qr`) |
//! | [`hid`], [`keys`] | a scanner that types like a keyboard (`usb-hid`) |
//! | [`id_card`] | an ID card reader (`id-card`) |
//! | [`relay`] | barrier and lamps on a Modbus relay board (`modbus-relay`) |
//! | [`gpio`] | light barriers and contacts on the machine's pins (`gpio`) |
//! | [`sensor`] | a passage counter on a serial line (`serial-sensor`) |
//! | `serial` | keeping a port open whatever happens to its cable |
//! | [`framer`], [`sieve`] | from bytes to frames, from a frame to a credential, once |
//! | [`fault`], [`backoff`] | which parts do not work; when they are tried again |
//! | [`section`] | reading a section of the configuration |
//!
//! A driver works in a task of its own, decides nothing, and outlives its hardware: unplugged, it
//! raises a fault and comes back by itself. Every queue has a bound. [`from_config`] starts them
//! all; the device program calls it.

pub mod backoff;
pub mod fault;
pub mod framer;
#[cfg(target_os = "linux")]
pub mod gpio;
#[cfg(target_os = "linux")]
pub mod hid;
pub mod id_card;
pub mod keys;
pub mod reader;
pub mod relay;
pub mod section;
pub mod sensor;
mod serial;
pub mod serial_qr;
pub mod sieve;

use std::{path::PathBuf, time::Duration};

use toml::Table;

pub use self::{
    fault::{Fault, FaultBoard, Faults, Watching},
    section::{ConfigError, Section},
    sieve::{Sieve, SieveSettings},
};
use crate::{
    camera::{CameraScanner, Files, FrameSource},
    clock::Clock,
    hardware::{Barrier, Display, Hardware, PassageSensor, Scanner},
};

/// The drivers of a reader, and of a passage sensor.
const READERS: &[&str] = &["serial-qr", "usb-hid", "id-card", "camera", "pictures"];
const SENSORS: &[&str] = &["gpio", "serial-sensor"];

/// The hardware of one device: what its configuration names, and nothing else.
#[derive(Default)]
pub struct Parts {
    /// All readers as one.
    pub scanner: Option<Box<dyn Scanner>>,
    /// What opens and closes.
    pub barrier: Option<Box<dyn Barrier>>,
    /// What it shows: the lamps of the relay board.
    pub display: Option<Box<dyn Display>>,
    /// What sees people.
    pub sensor: Option<Box<dyn PassageSensor>>,
}

impl Parts {
    /// The hardware of a turnstile.
    ///
    /// # Errors
    /// [`ConfigError`] naming the section that a turnstile cannot do without.
    pub fn of_turnstile(self) -> Result<Hardware, ConfigError> {
        let missing = |section: &str, driver: &str| ConfigError {
            at: "hardware".into(),
            why: format!(
                "a turnstile needs [hardware.{section}]: add it, with driver = {driver:?}"
            ),
        };
        Ok(Hardware {
            barrier: self.barrier.ok_or_else(|| missing("barrier", "modbus-relay"))?,
            display: self.display.ok_or_else(|| missing("barrier", "modbus-relay"))?,
            scanner: self.scanner.ok_or_else(|| missing("scanner", READERS[0]))?,
            sensor: self.sensor.ok_or_else(|| missing("sensor", SENSORS[0]))?,
        })
    }
}

/// Starts the drivers that the `[hardware.…]` sections name, on the current runtime.
///
/// Sections: `scanner`, `exit_scanner` and `card_reader` (drivers `serial-qr`, `usb-hid`, `id-card`,
/// `camera`, `pictures`), `barrier` (`modbus-relay`), `sensor` (`gpio`, `serial-sensor`). Each key
/// is described in its driver's file. Hardware that is not there is no error: its fault stands on
/// `board` until it is.
///
/// # Errors
/// [`ConfigError`] for an unknown section, driver or key, and for a value that cannot be: with the
/// place and what would be right.
pub fn from_config(
    hardware: &Table,
    board: &FaultBoard,
    clock: &Clock,
) -> Result<Parts, ConfigError> {
    let mut parts = Parts::default();
    let mut readers = Vec::new();
    for (name, value) in hardware {
        let mut section = Section::new(format!("hardware.{name}"), value)?;
        match name.as_str() {
            "scanner" => readers.push(reader(&mut section, board.part("scanner"), clock)?),
            "exit_scanner" => {
                readers.push(reader(&mut section, board.part("exit_scanner"), clock)?);
            }
            "card_reader" => readers.push(reader(&mut section, board.part("card_reader"), clock)?),
            "barrier" => {
                driver(&mut section, &["modbus-relay"])?;
                let (barrier, lamps) =
                    relay::Relay::take(&mut section)?.start(board.part("barrier"));
                parts.barrier = Some(Box::new(barrier));
                parts.display = Some(Box::new(lamps));
            }
            "sensor" => parts.sensor = Some(sensor(&mut section, board.part("sensor"), clock)?),
            _ => {
                let known = "scanner, exit_scanner, card_reader, barrier and sensor";
                let why = format!("unknown section: remove it, or use one of {known}");
                return Err(ConfigError { at: section.at().to_owned(), why });
            }
        }
        section.finish()?;
    }
    if !readers.is_empty() {
        parts.scanner = Some(Box::new(reader::Readers::new(readers)));
    }
    Ok(parts)
}

/// The name of the section's driver, one of `known`.
fn driver(section: &mut Section, known: &[&'static str]) -> Result<&'static str, ConfigError> {
    let name: String = section.need("driver", &format!("{:?}", known[0]))?;
    known.iter().find(|known| **known == name).copied().ok_or_else(|| {
        section.wrong("driver", &format!("no driver {name:?}: use one of {}", known.join(", ")))
    })
}

/// One reader.
///
/// # Errors
/// As [`from_config`].
pub fn reader(
    section: &mut Section,
    fault: Fault,
    clock: &Clock,
) -> Result<Box<dyn Scanner>, ConfigError> {
    let clock = clock.clone();
    Ok(match driver(section, READERS)? {
        "serial-qr" => Box::new(serial_qr::SerialQr::take(section)?.start(fault, clock)),
        "id-card" => Box::new(id_card::IdCard::take(section)?.start(fault, clock)),
        #[cfg(target_os = "linux")]
        "usb-hid" => Box::new(hid::Hid::take(section)?.start(fault, clock)),
        #[cfg(target_os = "linux")]
        "camera" => {
            let path: PathBuf = section.or("device", "/dev/video0".into())?;
            let width = section.within("width", 640, 160..=4_096)?;
            let height = section.within("height", 480, 120..=4_096)?;
            let side = |length: u64| u32::try_from(length).unwrap_or(640);
            let video = crate::camera::video::Video::new(&path, side(width), side(height));
            camera(section, Box::new(video), fault, clock)?
        }
        "pictures" => {
            let path: PathBuf = section.need("path", "\"pictures\"")?;
            let every = Duration::from_millis(section.within("every_ms", 500, 10..=600_000)?);
            let files = Files::open(&path, every)
                .map_err(|error| section.wrong("path", &error.to_string()))?;
            camera(section, Box::new(files), fault, clock)?
        }
        _ => return Err(only_linux(section)),
    })
}

fn camera(
    section: &mut Section,
    source: Box<dyn FrameSource>,
    fault: Fault,
    clock: Clock,
) -> Result<Box<dyn Scanner>, ConfigError> {
    let settings = SieveSettings::take(section)?;
    let scanner = CameraScanner::start(source, settings, fault, clock);
    let scanner = scanner.map_err(|error| section.wrong("driver", &error.to_string()))?;
    Ok(Box::new(scanner))
}

fn sensor(
    section: &mut Section,
    fault: Fault,
    clock: &Clock,
) -> Result<Box<dyn PassageSensor>, ConfigError> {
    Ok(match driver(section, SENSORS)? {
        "serial-sensor" => {
            Box::new(sensor::SerialSensor::take(section)?.start(fault, clock.clone()))
        }
        #[cfg(target_os = "linux")]
        "gpio" => Box::new(gpio::Gpio::take(section)?.start(fault)),
        _ => return Err(only_linux(section)),
    })
}

fn only_linux(section: &Section) -> ConfigError {
    section.wrong("driver", "this driver works on Linux only: use a serial one here")
}
