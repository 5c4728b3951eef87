//! An outside broker over TLS, with the access list that the program writes for it: Debian's
//! mosquitto.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS};
use serde_json::{Value, json};
use shanmen_actors::{certificates::Authority, clock::system_now};
use shanmen_protocols::ids::DeviceId;

use crate::support::{
    Server, eventually, park,
    secure::{Knock, Own, Site, request},
    tools::{found, free_port, program},
};

/// A mosquitto that lets in who is known, and each only where the list says.
struct Guarded {
    child: Child,
    port: u16,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What tells people apart there: passwords, or certificates.
enum By<'b> {
    Passwords(&'b [(&'b str, &'b str)]),
    Certificates,
}

async fn guarded(site: &Site, by: By<'_>) -> Option<Guarded> {
    let mosquitto = found("mosquitto", program("mosquitto"))?;
    let passwd = found("mosquitto_passwd", program("mosquitto_passwd"))?;
    let at = |name: &str| site.path().join(name).display().to_string();
    let parkfile = at("park.toml");
    std::fs::write(&parkfile, park("")).expect("written");
    let list = Command::new(env!("CARGO_BIN_EXE_shanmen"))
        .args(["device", "acl", "--broker", "mosquitto", "--config", &parkfile])
        .output()
        .expect("it runs");
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    std::fs::write(at("acl"), list.stdout).expect("written");
    // Started as root it would become another user, who may not read the keys.
    let port = free_port();
    let mut config = format!(
        "user root\nlistener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n\
         set_tcp_nodelay true\nallow_anonymous false\nacl_file {}\n",
        at("ca.pem"),
        at("server.pem"),
        at("server.key"),
        at("acl"),
    );
    match by {
        By::Passwords(logins) => {
            std::fs::write(at("logins"), "").expect("written");
            for (user, password) in logins {
                let arguments = ["-b", &at("logins"), user, password];
                let done = Command::new(&passwd).args(arguments).status();
                assert!(done.expect("it runs").success());
            }
            config = config + "password_file " + &at("logins") + "\n";
        }
        By::Certificates => config += "require_certificate true\nuse_identity_as_username true\n",
    }
    std::fs::write(at("mosquitto.conf"), config).expect("written");
    let log = std::fs::File::create(at("mosquitto.log")).expect("a file");
    let child = Command::new(mosquitto)
        .args(["-c", &at("mosquitto.conf")])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("mosquitto starts");
    let guarded = Guarded { child, port };
    eventually("mosquitto's port", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    Some(guarded)
}

/// Subscribes to everything that one could wish for; reads on until a message of a type.
struct Lane {
    client: AsyncClient,
    events: EventLoop,
    heard: Vec<(String, Value)>,
}

impl Lane {
    async fn of(knock: Knock<'_>) -> Self {
        let (client, events) = knock.connect().await.expect("let in");
        let lane = Self { client, events, heard: Vec::new() };
        let own = format!("sm/1/testpark/{}/down", knock.user);
        for filter in [own.as_str(), "sm/1/testpark/_all/down", "#"] {
            lane.client.subscribe(filter, QoS::AtLeastOnce).await.expect("queued");
        }
        lane
    }

    async fn say(&self, topic: &str, message: &Value) {
        let bytes = message.to_string();
        self.client.publish(topic, QoS::AtLeastOnce, false, bytes).await.expect("queued");
    }

    async fn hear(&mut self, kind: &str, wait: Duration) -> Option<Value> {
        let listen = async {
            loop {
                if let Event::Incoming(Packet::Publish(message)) =
                    self.events.poll().await.expect("connected")
                {
                    let told: Value = serde_json::from_slice(&message.payload).expect("JSON");
                    self.heard.push((message.topic, told.clone()));
                    if told["type"] == kind {
                        return told;
                    }
                }
            }
        };
        tokio::time::timeout(wait, listen).await.ok()
    }
}

fn hello(session: &str) -> Value {
    json!({ "protocol": "1.0", "kind": "turnstile", "session": session, "epoch": session })
}

const WAIT: Duration = Duration::from_secs(20);

/// A device is heard and answered, and can neither speak for another nor listen to one.
async fn each_keeps_to_its_own(server: &Server, port: u16, site: &Site, own: [&Login; 2]) {
    let mut lanes = Vec::new();
    for (user, (password, own)) in ["t1", "t2"].into_iter().zip(own) {
        let (ca, own) = (Some(site.ca.as_str()), own.as_ref());
        lanes.push(Lane::of(Knock { port, ca, own, user, password, client_id: user }).await);
    }
    let [first, second] = &mut lanes[..] else { panic!("two lanes") };
    first.say("sm/1/testpark/t1/up/hello", &hello("1")).await;
    let answer = first.hear("hello", WAIT).await.expect("an answer");
    assert_eq!((&answer["session"], &answer["status"]), (&json!("1"), &json!("accepted")));
    second.say("sm/1/testpark/t2/up/hello", &hello("2")).await;
    second.hear("hello", WAIT).await.expect("an answer");
    first.say("sm/1/testpark/t2/up/hello", &hello("stolen")).await;
    first.say("sm/1/testpark/t2/down", &json!({ "type": "decision", "forged": true })).await;
    first.say("sm/1/testpark/_all/down", &json!({ "type": "decision", "forged": true })).await;
    // What the broker passes on it passes on in order: when this is answered, those are over.
    first.say("sm/1/testpark/t1/up/hello", &hello("3")).await;
    assert_eq!(first.hear("hello", WAIT).await.expect("an answer")["session"], "3");
    assert!(second.hear("decision", Duration::from_millis(500)).await.is_none());
    for (lane, id) in lanes.iter().zip(["t1", "t2"]) {
        let own = format!("sm/1/testpark/{id}/down");
        assert!(lane.heard.iter().all(|(topic, _)| *topic == own), "{:?}", lane.heard);
    }
    let device = server.get("/api/v1/devices/t2").await.body;
    assert_eq!(device["online"], true, "{device}");
}

type Login = (String, Option<Own>);

const DEVICES: &str = "[[devices]]\nid = \"t1\"\nkind = \"turnstile\"\nlane = \"n1\"\n\
                       [[devices]]\nid = \"t2\"\nkind = \"turnstile\"\nlane = \"n2\"\n";

fn config(site: &Path, port: u16, login: &str, more: &str) -> String {
    let ca = site.join("ca.pem").display().to_string();
    let url = format!("mqtts://{login}localhost:{port}");
    park(&format!("[broker]\nurl = {url:?}\nca = {ca:?}\n{more}")) + DEVICES
}

#[tokio::test]
async fn with_passwords_at_an_outside_broker_each_device_keeps_to_its_own() {
    let site = Site::make();
    let logins = [("shanmen", "p@ss"), ("t1", "one"), ("t2", "two")];
    let Some(broker) = guarded(&site, By::Passwords(&logins)).await else { return };
    let config = config(site.path(), broker.port, "shanmen:p%40ss@", "");
    let server = Server::start_with(&config).await;
    let login = |password: &str| (password.to_owned(), None);
    each_keeps_to_its_own(&server, broker.port, &site, [&login("one"), &login("two")]).await;
    assert!(!server.log().contains("p@ss"), "no password in the log");
}

#[tokio::test]
async fn with_certificates_at_an_outside_broker_each_device_keeps_to_its_own() {
    let site = Site::make();
    let Some(broker) = guarded(&site, By::Certificates).await else { return };
    let authority = Authority::load(&site.ca, &site.ca_key).expect("the site's");
    let signed = |name: &str| -> Login {
        let (csr, key) = request();
        let id = DeviceId::new(name).expect("an id");
        (String::new(), Some((authority.device(&csr, &id, system_now()).expect("signed"), key)))
    };
    let (_, own) = signed("shanmen");
    let (certificate, key) = own.expect("a certificate");
    let [cert_at, key_at] = ["own.pem", "own.key"].map(|name| site.path().join(name));
    std::fs::write(&cert_at, certificate).expect("written");
    std::fs::write(&key_at, key).expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&key_at, mode).expect("its owner's alone");
    }
    let more = format!("cert = {:?}\nkey = {:?}\n", cert_at.display().to_string(), {
        key_at.display().to_string()
    });
    let server = Server::start_with(&config(site.path(), broker.port, "", &more)).await;
    each_keeps_to_its_own(&server, broker.port, &site, [&signed("t1"), &signed("t2")]).await;
}
