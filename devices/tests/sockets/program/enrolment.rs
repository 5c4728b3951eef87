//! A claim is traded for a file that the device program reads.

use std::os::unix::fs::PermissionsExt as _;

use shanmen_devices::config::ConfigFile;

use super::*;

/// A control plane that takes one claim; what it was asked.
async fn desk(status: &'static str, answer: Value) -> (String, tokio::task::JoinHandle<Value>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = BufReader::new(socket);
        let (mut line, mut length) = (String::new(), 0);
        while 2 != {
            line.clear();
            socket.read_line(&mut line).await.unwrap()
        } {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        tokio::io::AsyncReadExt::read_exact(&mut socket, &mut body).await.unwrap();
        let answer = answer.to_string();
        let length = answer.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{answer}");
        socket.write_all(answer.as_bytes()).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    });
    (url, asked)
}

async fn enrol(url: &str, out: &std::path::Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_shanmen-device"))
        .args(["enrol", "--server", url, "--claim", "WXYZ-1234", "--lane", "north-1", "--serial"])
        .args(["A-1", "--out"])
        .arg(out)
        .output();
    let output = within("enrolled", output).await.unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_claim_is_traded_for_a_file_that_only_its_owner_reads() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("lane.toml");
    let answer = json!({
        "site": "huangshan", "device": "n1", "base": "any", "broker": "mqtt://10.0.0.1:1883",
        "username": "n1", "password": "se\"cret", "keys": { "keys": [] },
    });
    let (url, asked) = desk("200 OK", answer).await;
    let (done, told) = enrol(&url, &out).await;
    assert!(done, "{told}");
    assert!(!told.contains("cret") && !told.contains("WXYZ"), "{told}");
    let asked = asked.await.unwrap();
    assert_eq!((&asked["claim"], &asked["serial"]), (&json!("WXYZ-1234"), &json!("A-1")));
    assert!(asked["csr"].as_str().unwrap().contains("CERTIFICATE REQUEST"));
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let mut file = ConfigFile::open(&out).unwrap();
    let agent = file.common().unwrap().agent;
    assert_eq!((agent.device.as_str(), agent.password.as_str()), ("n1", "se\"cret"));
    assert_eq!((agent.broker.host.as_str(), agent.broker.port), ("10.0.0.1", 1_883));
    assert_eq!(file.get::<String>("lane").unwrap(), "north-1");
    file.finish().unwrap();
    let (again, told) = enrol(&url, &out).await;
    assert!(!again && told.contains("lane.toml"), "what is there is not written over: {told}");
}

#[tokio::test]
async fn a_refused_claim_says_why_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("lane.toml");
    let (url, asked) = desk("404 Not Found", json!({ "detail": "no such claim" })).await;
    let (done, told) = enrol(&url, &out).await;
    assert!(!done && told.contains("no such claim"), "{told}");
    assert!(!out.exists());
    asked.await.unwrap();
}
