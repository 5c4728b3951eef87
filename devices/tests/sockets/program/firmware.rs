//! A new program, and one that does not work.

use super::*;

/// Serves files over HTTP on the loopback, as many as are asked for.
async fn serve(files: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4_096];
            let length = tokio::io::AsyncReadExt::read(&mut socket, &mut asked).await.unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let file = files.iter().find(|(name, _)| asked.starts_with(&format!("GET /{name} ")));
            let (_, bytes) = file.unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                bytes.len()
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.write_all(bytes).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_new_program_is_put_in_force_and_a_broken_one_is_taken_back() {
    use ed25519_dalek::{Signer as _, SigningKey};
    let Some(bench) = Bench::start("").await else { return };
    let vendor = SigningKey::from_bytes(&[5; 32]);
    let path = bench.folder.path().join("lane.toml");
    let key = HEXLOWER.encode(vendor.verifying_key().as_bytes());
    let firmware = bench.folder.path().join("firmware");
    let file = std::fs::read_to_string(&path).unwrap();
    let file = format!("{file}[firmware]\nfolder = \"firmware\"\nkey = \"{key}\"\n");
    std::fs::write(&path, file).unwrap();
    std::fs::create_dir(&firmware).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_shanmen-device"), firmware.join("program-1")).unwrap();
    std::os::unix::fs::symlink("program-1", firmware.join("current")).unwrap();
    let good = std::fs::read(env!("CARGO_BIN_EXE_shanmen-device")).unwrap();
    let broken = b"#!/bin/sh\nexit 1\n".to_vec();
    let sign = |version: &str, bytes: &[u8], url: &str| {
        let digest = <sha2::Sha256 as sha2::Digest>::digest(bytes);
        Order::Firmware(FirmwareManifest {
            version: version.into(),
            url: format!("{url}/{version}"),
            size: bytes.len().try_into().unwrap(),
            sha256: HEXLOWER.encode(&digest),
            signature: HEXLOWER.encode(&vendor.sign(&digest).to_bytes()),
        })
    };
    let url = serve(vec![("broken", broken.clone()), ("good", good.clone())]).await;
    let mut launcher = Command::new(env!("CARGO_BIN_EXE_shanmen-device"))
        .args(["launch", "--firmware"])
        .arg(&firmware)
        .args(["--", "turnstile", "--config"])
        .arg(&path)
        .env("RUST_LOG", "warn")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let group = Group(launcher.id().unwrap());
    bench.control.has_seen("a device at work", |seen| !seen.reports.is_empty()).await;
    let Order::Firmware(forged) = sign("broken", &good, &url) else { unreachable!() };
    let forged = Order::Firmware(FirmwareManifest { signature: "00".repeat(64), ..forged });
    assert_eq!(bench.order(&forged).await.0, AckStatus::Rejected);
    let (status, why) = bench.order(&sign("broken", &broken, &url)).await;
    assert_eq!(status, AckStatus::Failed, "{why:?}");
    let current = || std::fs::read_link(firmware.join("current")).unwrap();
    assert_eq!(current(), std::path::Path::new("program-1"));
    assert_eq!(bench.order(&sign("good", &good, &url)).await, (AckStatus::Done, None));
    assert_eq!(current(), std::path::Path::new("program-good"));
    group.end("-TERM");
    assert!(within("the end", launcher.wait()).await.unwrap().success());
}

/// A process with all that it has started: none of them outlives the test.
struct Group(u32);

impl Group {
    fn end(&self, signal: &str) {
        let group = format!("-{}", self.0);
        std::process::Command::new("kill")
            .args([signal, "--", &group])
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end("-KILL");
    }
}
