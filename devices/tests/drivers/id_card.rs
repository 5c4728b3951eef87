//! An ID card reader: asked, found, selected, read; in parts, silent, broken.

use std::{future::poll_fn, time::Duration};

use shanmen_protocols::device::CredentialKind;
use tokio::time::timeout;

use crate::line::{Plugged, SOON, Socket, fault, no_fault, start};

const SECTION: &str = "[card_reader]\ndriver = \"id-card\"\nport = \"PORT\"\npoll_ms = 50";

const FIND: u8 = 0x22;
const SELECT: u8 = 0x21;
const READ: u8 = 0x32;

fn answer(status: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 4).unwrap().to_be_bytes();
    let body = [&length[..], &[0, 0, status], data].concat();
    let sum = body.iter().fold(0, |sum, byte| sum ^ byte);
    [&[0xaa, 0xaa, 0xaa, 0x96, 0x69], &body[..], &[sum]].concat()
}

fn base_information(number: &str) -> Vec<u8> {
    let mut text = vec![b' '; 256];
    for (at, unit) in number.encode_utf16().enumerate() {
        text[122 + at * 2..124 + at * 2].copy_from_slice(&unit.to_le_bytes());
    }
    [&[1, 0, 4, 0][..], &text, &[0x5a; 1_024]].concat()
}

/// Waits for the command with this sum; every FIND before it is answered "no card".
async fn asked(plugged: &mut Plugged, sum: u8) {
    loop {
        let command = plugged.take(10).await;
        assert_eq!(command[..6], [0xaa, 0xaa, 0xaa, 0x96, 0x69, 0]);
        if command[9] == sum {
            return;
        }
        assert_eq!(command[9], FIND, "{command:02x?}");
        plugged.send(&answer(0x80, &[])).await;
    }
}

async fn card(plugged: &mut Plugged, number: &str) {
    asked(plugged, FIND).await;
    plugged.send(&answer(0x9f, &[0; 4])).await;
    asked(plugged, SELECT).await;
    plugged.send(&answer(0x90, &[0; 8])).await;
    asked(plugged, READ).await;
    let reply = answer(0x90, &base_information(number));
    plugged.send(&reply[..700]).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    plugged.send(&reply[700..]).await;
}

#[tokio::test]
async fn a_card_s_number_is_read_and_a_card_left_there_is_one_presentation() {
    let socket = Socket::new();
    let mut plugged = socket.plug();
    let (mut parts, mut faults) = start(&socket, SECTION);
    let scanner = parts.scanner.as_mut().unwrap();
    card(&mut plugged, "11010519491231002X").await;
    card(&mut plugged, "11010519491231002X").await;
    card(&mut plugged, "440524188001010014").await;
    for expected in ["11010519491231002X", "440524188001010014"] {
        let reading = timeout(SOON, poll_fn(|cx| scanner.poll_reading(cx))).await.unwrap().unwrap();
        assert_eq!(reading.credential.kind, CredentialKind::IdCard);
        assert_eq!(reading.credential.data, expected);
    }
    no_fault(&mut faults).await;
}

#[tokio::test]
async fn a_reader_that_is_silent_is_a_fault_until_it_answers() {
    let socket = Socket::new();
    let mut plugged = socket.plug();
    let (_parts, mut faults) = start(&socket, SECTION);
    let why = fault(&mut faults, "card_reader").await;
    assert!(why.contains("does not answer"), "{why}");
    asked(&mut plugged, FIND).await;
    // What is there from before, and an answer with a wrong sum, is passed over.
    let mut broken = answer(0x80, &[]);
    *broken.last_mut().unwrap() ^= 1;
    plugged.send(&broken).await;
    plugged.send(&answer(0x80, &[])).await;
    no_fault(&mut faults).await;
}

#[tokio::test]
async fn a_card_reader_plugged_in_again_reads_again() {
    let socket = Socket::new();
    let mut plugged = socket.plug();
    let (mut parts, mut faults) = start(&socket, SECTION);
    asked(&mut plugged, FIND).await;
    plugged.unplug();
    fault(&mut faults, "card_reader").await;
    let mut again = socket.plug();
    card(&mut again, "11010519491231002X").await;
    let scanner = parts.scanner.as_mut().unwrap();
    let reading = timeout(SOON, poll_fn(|cx| scanner.poll_reading(cx))).await.unwrap().unwrap();
    assert_eq!(reading.credential.data, "11010519491231002X");
}
