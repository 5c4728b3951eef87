//! A camera as a scanner: what it reads, and what it does while its pictures are gone.

use std::{future::poll_fn, io::BufWriter, path::Path, time::Duration};

use shanmen_devices::{
    camera::{CameraScanner, Decoder, Files, Frame, files::picture},
    clock::Clock,
    drivers::{FaultBoard, Faults, SieveSettings},
    hardware::Scanner as _,
};
use tokio::time::timeout;

use crate::photo::{Shot, take};

const SOON: Duration = Duration::from_secs(20);

fn save(frame: &Frame, path: &Path) {
    let file = BufWriter::new(std::fs::File::create(path).unwrap());
    let mut encoder = png::Encoder::new(file, frame.width() as u32, frame.height() as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(frame.luma()).unwrap();
}

#[test]
fn a_jpeg_of_a_code_is_read() {
    let frame = picture(include_bytes!("code.jpg")).unwrap();
    assert_eq!(Decoder::new().read_still(&frame).as_deref(), Some("JPEG-TICKET-0001"));
    assert!(picture(b"no picture at all").unwrap_err().contains("JPEG"));
}

#[tokio::test]
async fn a_camera_that_comes_back_is_read_again_and_is_a_fault_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.png");
    save(&take("TICKET-1", Shot::default(), 1), &file);
    let source = Files::open(&file, Duration::from_millis(20)).unwrap();
    let board = FaultBoard::new();
    let mut faults = board.watch();
    let settings = SieveSettings { repeat_ms: 0, ..SieveSettings::default() };
    let mut scanner =
        CameraScanner::start(Box::new(source), settings, board.part("scanner"), Clock::default())
            .unwrap();
    let read = async || timeout(SOON, poll_fn(|cx| scanner.poll_reading(cx))).await.unwrap();
    let mut read = read;
    assert_eq!(read().await.unwrap().credential.data, "TICKET-1");

    std::fs::remove_file(&file).unwrap();
    let gone = timeout(SOON, faults.wait_for(|faults| faults.contains_key("scanner")));
    assert!(gone.await.unwrap().unwrap()["scanner"].contains("a.png"));

    let other = folder.path().join("b.png");
    save(&take("TICKET-2", Shot::default(), 2), &other);
    std::fs::rename(&other, &file).unwrap();
    timeout(SOON, faults.wait_for(Faults::is_empty)).await.unwrap().unwrap();
    while read().await.unwrap().credential.data != "TICKET-2" {}
}

#[test]
fn a_folder_without_pictures_is_refused_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let error = Files::open(folder.path(), SOON).unwrap_err().to_string();
    assert!(error.contains("put a .png"), "{error}");
}
