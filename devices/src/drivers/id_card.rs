//! An ID card reader with the SAM module of the second-generation card, on a serial line: the
//! framing of the 神思 and 精伦 readers and their many kin.
//!
//! ```toml
//! [hardware.card_reader]
//! driver = "id-card"
//! port = "/dev/ttyUSB0"
//! baud = 115200           # the default
//! poll_ms = 300           # how often a card is looked for
//! repeat_ms = 2000
//! direction = "in"
//! ```
//!
//! It finds a card, selects it, reads its base information, and takes the number out of it. Name,
//! address and picture lie in the same answer; they are overwritten as soon as the number is out,
//! and never leave this file. A reader that is silent is a fault, also while its port is there.
//!
//! Sources: the readers' serial protocol (`AA AA AA 96 69`, length, command or status, XOR sum),
//! and GA 450 for the order of the text fields (UTF-16LE: name 30 bytes, sex 2, nation 4, birth
//! 16, address 70, number 36).

use std::{io, time::Duration};

use shanmen_protocols::device::CredentialKind;
use tokio::{io::AsyncWriteExt as _, sync::mpsc, time::sleep};
use tokio_serial::SerialStream;
use tracing::{debug, warn};

use super::{
    fault::Fault,
    reader::{READINGS_MAX, Reader},
    section::{ConfigError, Section},
    serial::{LineSettings, Talk, Works, keep, read_some},
    sieve::{Sieve, SieveSettings},
};
use crate::{clock::Clock, hardware::Reading};

const HEAD: [u8; 5] = [0xaa, 0xaa, 0xaa, 0x96, 0x69];

const FIND: [u8; 2] = [0x20, 0x01];
const SELECT: [u8; 2] = [0x20, 0x02];
const READ_BASE: [u8; 2] = [0x30, 0x01];

/// A card was found; it was selected or read.
const FOUND: u8 = 0x9f;
const DONE: u8 = 0x90;

/// The longest answer that is taken: base information with picture and fingerprints has 2,321.
const ANSWER_MAX: usize = 4_096;

/// How long each kind of answer may take.
const FIND_TIMEOUT: Duration = Duration::from_millis(500);
const READ_TIMEOUT: Duration = Duration::from_millis(2_500);

/// This many unanswered questions in a row are a fault.
const SILENT_MAX: u32 = 4;

/// Where the number stands in the text, and how long it is, in bytes.
const NUMBER: std::ops::Range<usize> = 122..158;

/// What the reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdCard {
    line: LineSettings,
    poll: Duration,
    sieve: SieveSettings,
}

impl IdCard {
    pub(super) fn take(section: &mut Section) -> Result<Self, ConfigError> {
        let default = SieveSettings::default();
        Ok(Self {
            line: LineSettings::take(section, 115_200)?,
            poll: Duration::from_millis(section.within("poll_ms", 300, 50..=5_000)?),
            sieve: SieveSettings {
                credential: CredentialKind::IdCard,
                direction: section.or("direction", default.direction)?,
                repeat_ms: section.within("repeat_ms", default.repeat_ms, 0..=60_000)?,
                ..default
            },
        })
    }

    /// Starts it on the current runtime.
    pub fn start(self, fault: Fault, clock: Clock) -> Reader {
        let (readings_tx, readings) = mpsc::channel(READINGS_MAX);
        let talk = Asking {
            poll: self.poll,
            sieve: Sieve::new(self.sieve),
            clock,
            readings: readings_tx,
            buffer: Vec::with_capacity(ANSWER_MAX),
        };
        Reader::new(readings, tokio::spawn(keep(self.line, fault, talk)))
    }
}

struct Asking {
    poll: Duration,
    sieve: Sieve,
    clock: Clock,
    readings: mpsc::Sender<Reading>,
    buffer: Vec<u8>,
}

impl Talk for Asking {
    async fn talk(&mut self, mut line: SerialStream, works: &mut Works) -> io::Error {
        let mut silent = 0;
        loop {
            match self.look(&mut line).await {
                Ok(true) => {
                    silent = 0;
                    works.works();
                }
                Ok(false) => {
                    silent += 1;
                    if silent == SILENT_MAX {
                        works.silent(
                            &"the card reader does not answer: is it powered, is baud right?",
                        );
                    }
                }
                Err(error) => return error,
            }
            sleep(self.poll).await;
        }
    }
}

impl Asking {
    /// Looks for a card once, and reads it. False when the reader did not answer.
    async fn look(&mut self, line: &mut SerialStream) -> io::Result<bool> {
        let Some(status) = self.ask(line, FIND, FIND_TIMEOUT).await? else { return Ok(false) };
        if status != FOUND {
            return Ok(true);
        }
        let Some(status) = self.ask(line, SELECT, FIND_TIMEOUT).await? else { return Ok(false) };
        if status != DONE {
            return Ok(true);
        }
        let Some(status) = self.ask(line, READ_BASE, READ_TIMEOUT).await? else {
            return Ok(false);
        };
        let number = if status == DONE { number(&self.buffer) } else { None };
        self.forget();
        if let Some(number) = number {
            self.deliver(&number);
        } else {
            debug!(status, "a card was found, but not read");
        }
        Ok(true)
    }

    /// One question and the status of its answer, whose frame stays in the buffer; `None` when
    /// none came in time.
    async fn ask(
        &mut self,
        line: &mut SerialStream,
        command: [u8; 2],
        within: Duration,
    ) -> io::Result<Option<u8>> {
        self.forget();
        line.write_all(&frame(&command)).await?;
        let until = self.clock.instant() + within;
        let mut part = [0; 512];
        let answered = loop {
            let Some(len) = read_some(line, &mut part, Some(until)).await? else { break None };
            self.buffer.extend_from_slice(&part[..len]);
            match cut(&mut self.buffer) {
                Cut::Whole(status) => break Some(status),
                Cut::Part if self.buffer.len() <= ANSWER_MAX => {}
                Cut::Part => break None,
            }
        };
        part.fill(0);
        Ok(answered)
    }

    /// Nothing of a card stays in memory.
    fn forget(&mut self) {
        self.buffer.fill(0);
        self.buffer.clear();
    }

    fn deliver(&mut self, number: &str) {
        let Some(reading) = self.sieve.pass(self.clock.up_ms(), number) else { return };
        if self.readings.try_send(reading).is_err() {
            warn!("a card was dropped: nobody takes its reading");
        }
    }
}

/// A command in its frame.
fn frame(command: &[u8]) -> Vec<u8> {
    let length = u16::try_from(command.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
    let sum = length.iter().chain(command).fold(0, |sum, byte| sum ^ byte);
    [&HEAD, &length[..], command, &[sum]].concat()
}

/// What the buffer holds by now.
#[derive(Debug, PartialEq, Eq)]
enum Cut {
    /// One sound frame, from its status on; this status.
    Whole(u8),
    /// Not yet one.
    Part,
}

/// Takes noise and broken frames out of the front of `buffer`.
fn cut(buffer: &mut Vec<u8>) -> Cut {
    loop {
        let Some(start) = buffer.windows(HEAD.len()).position(|part| part == HEAD) else {
            return Cut::Part;
        };
        buffer.drain(..start);
        let Some(&[high, low]) = buffer.get(5..7) else { return Cut::Part };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(4..=ANSWER_MAX).contains(&length) {
            buffer.drain(..1);
            continue;
        }
        let Some(body) = buffer.get(5..7 + length) else { return Cut::Part };
        if body.iter().fold(0, |sum, byte| sum ^ byte) != 0 {
            buffer.drain(..1);
            continue;
        }
        // The sum is the last byte: with it, a sound frame gives zero.
        buffer.drain(..7);
        buffer.truncate(length - 1);
        return Cut::Whole(buffer[2]);
    }
}

/// The number on the card, out of the answer from its status on; `None` when it is none.
fn number(answer: &[u8]) -> Option<String> {
    let text_length = usize::from(u16::from_be_bytes([*answer.get(3)?, *answer.get(4)?]));
    let text = answer.get(7..)?.get(..text_length)?;
    let units: Vec<u16> = text
        .get(NUMBER)?
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let number = String::from_utf16(&units).ok()?;
    let number: String = number
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    match number.len() {
        18 if is_sound(&number) => Some(number),
        // A foreigner's residence card of 2017: three letters and twelve digits.
        15 if number[..3].bytes().all(|b| b.is_ascii_uppercase())
            && number[3..].bytes().all(|b| b.is_ascii_digit()) =>
        {
            Some(number)
        }
        _ => None,
    }
}

/// Whether the last sign of an 18-digit number fits the others: GB 11643, ISO 7064 MOD 11-2.
fn is_sound(number: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const SIGNS: &[u8; 11] = b"10X98765432";
    let digits = number.bytes().take(17).map(|b| char::from(b).to_digit(10));
    let sum = digits.zip(WEIGHTS).try_fold(0, |sum, (digit, weight)| Some(sum + digit? * weight));
    let sign = sum.and_then(|sum| usize::try_from(sum % 11).ok()).map(|at| SIGNS[at]);
    sign.is_some() && number.as_bytes().get(17).copied() == sign
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as a reader sends it, with `data` after its status.
    fn answer(status: u8, data: &[u8]) -> Vec<u8> {
        frame(&[&[0, 0, status], data].concat())
    }

    fn base_information(number: &str) -> Vec<u8> {
        let mut text = Vec::new();
        for (field, bytes) in
            [("张三", 30), ("1", 2), ("01", 4), ("19491231", 16), ("某地", 70), (number, 36)]
        {
            let mut part: Vec<u8> = field.encode_utf16().flat_map(u16::to_le_bytes).collect();
            while part.len() < bytes {
                part.extend(b" \0");
            }
            text.extend(part);
        }
        text.resize(256, b' ');
        let photo = [0x5a; 1_024];
        [&[1, 0, 4, 0][..], &text, &photo].concat()
    }

    #[test]
    fn the_commands_are_those_of_the_protocol() {
        assert_eq!(frame(&FIND), [0xaa, 0xaa, 0xaa, 0x96, 0x69, 0, 3, 0x20, 1, 0x22]);
        assert_eq!(frame(&SELECT), [0xaa, 0xaa, 0xaa, 0x96, 0x69, 0, 3, 0x20, 2, 0x21]);
        assert_eq!(frame(&READ_BASE), [0xaa, 0xaa, 0xaa, 0x96, 0x69, 0, 3, 0x30, 1, 0x32]);
    }

    #[test]
    fn the_number_is_taken_out_of_the_base_information() {
        let read = |text: &str| {
            let mut buffer = answer(DONE, &base_information(text));
            assert_eq!(cut(&mut buffer), Cut::Whole(DONE));
            number(&buffer)
        };
        assert_eq!(read("11010519491231002X").as_deref(), Some("11010519491231002X"));
        assert_eq!(read("11010519491231002x").as_deref(), Some("11010519491231002X"));
        assert_eq!(read("CHN110105194912").as_deref(), Some("CHN110105194912"));
        assert_eq!(read("110105194912310021"), None, "its last sign does not fit");
        assert_eq!(read("1101051949"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_frame_is_found_in_noise_and_over_parts_and_a_broken_one_is_passed_over() {
        let mut broken = answer(FOUND, &[1, 2, 3, 4]);
        *broken.last_mut().unwrap() ^= 1;
        let stream = [b"\0\xaa\xaa" as &[u8], &broken, &answer(DONE, &[9; 8])].concat();
        for size in 1..stream.len() {
            let mut buffer = Vec::new();
            let mut found = Cut::Part;
            for part in stream.chunks(size) {
                buffer.extend_from_slice(part);
                found = cut(&mut buffer);
                if found != Cut::Part {
                    break;
                }
            }
            assert_eq!(found, Cut::Whole(DONE), "in parts of {size}");
            assert_eq!(buffer[3..], [9; 8]);
        }
    }

    #[test]
    fn an_answer_too_short_for_what_it_says_is_no_number() {
        assert_eq!(number(&[0, 0, DONE]), None);
        assert_eq!(number(&[0, 0, DONE, 1, 0, 4, 0, 1, 2, 3]), None);
        assert_eq!(number(&[0, 0, DONE, 0, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]), None);
    }
}
