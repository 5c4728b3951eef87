//! Enrolment: a person makes a one-time claim, a device trades it for its login. What became of the
//! login later: a new secret, or that the device may not work any more.
//!
//! Claims and secrets are kept as digests only. Both are random and long (125 and 256 bits), so a
//! fast digest is enough. Where devices have certificates, the digest of the public key stands in
//! the secret's place: the certificate of an earlier enrolment opens nothing.

use std::sync::Arc;

use shanmen_protocols::{
    ids::{DeviceId, GateId, LaneId},
    topic,
};
use shanmen_rules::Park;

use crate::{
    api::{
        AuditLine, Claim, ClaimRequest, DeviceSpec, DeviceStanding, EnrolRequest, Enrolled, Fault,
        NewSecret,
    },
    certificates::{CertificateFault, key_digest},
    clock::Clock,
    ledger::{ClaimRow, DeviceRow, Ledger, Record, SqliteLedger, commit},
    registry::{Device, Registry},
    security::{Profile, Security},
    twin::{API_DEVICE, fault},
};

/// How long a claim is good for, unless it says so itself, in minutes.
const CLAIM_MINUTES: u32 = 15;
/// The longest that a claim is good for, in minutes: a week.
const CLAIM_MINUTES_MAX: u32 = 10_080;
/// Letters of a claim code: none that are mistaken for another when read aloud or typed.
const CLAIM_LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Letters of a claim code, without its hyphens.
const CLAIM_LENGTH: usize = 25;

/// The longest that an old secret stays good beside the new one, in seconds: a day.
const GRACE_S_MAX: u32 = 86_400;
/// The longest reason that is written down, in characters.
const REASON_MAX: usize = 200;

/// Makes and trades claims.
pub(crate) struct Enrolment {
    pub(crate) park: Arc<Park>,
    pub(crate) ledger: Arc<SqliteLedger>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Clock,
    pub(crate) security: Security,
    /// One change of a device's row at a time: a new secret must not undo a revocation.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// What a device is let in by: what it is told, and what is kept of it.
struct Credential {
    password: Option<String>,
    certificate: Option<String>,
    digest: [u8; 32],
}

impl Enrolment {
    /// Makes a claim.
    pub(crate) async fn claim(&self, request: ClaimRequest, actor: &str) -> Result<Claim, Fault> {
        if request.device.as_str() == API_DEVICE {
            let taken = format!("device: {API_DEVICE} is what callers of the program are called");
            return Err(Fault::Invalid(taken));
        }
        let minutes = request.minutes.unwrap_or(CLAIM_MINUTES);
        if !(1..=CLAIM_MINUTES_MAX).contains(&minutes) {
            let limits = format!("minutes: {minutes} is not within 1 and {CLAIM_MINUTES_MAX}");
            return Err(Fault::Invalid(limits));
        }
        check_place(&self.park, request.gate.as_ref(), request.lane.as_ref())
            .map_err(Fault::Invalid)?;
        let now = self.clock.now();
        let code = claim_code()?;
        let row = ClaimRow {
            digest: *blake3::hash(normal(&code).as_bytes()).as_bytes(),
            device: request.device.clone(),
            kind: request.kind,
            gate: request.gate,
            lane: request.lane,
            expires_at: now.plus_ms(i64::from(minutes) * 60_000),
            used_at: None,
        };
        let expires_at = row.expires_at;
        let audit = AuditLine {
            at: now,
            actor: actor.to_owned(),
            action: "device.claim".into(),
            target: request.device.to_string(),
            note: format!("{} for {minutes} min", request.kind.as_str()),
        };
        commit(&*self.ledger, Record::ClaimMade { row: Box::new(row), audit })
            .await
            .map_err(fault)?;
        Ok(Claim { claim: code, device: request.device, expires_at })
    }

    /// Trades a claim for a login, once: a secret, or a certificate where the site lets devices in
    /// by one. What the device had before is no longer good.
    pub(crate) async fn enrol(
        &self,
        request: EnrolRequest,
    ) -> Result<(Enrolled, Arc<Device>), Fault> {
        let _turn = self.turn.lock().await;
        let digest = *blake3::hash(normal(&request.claim).as_bytes()).as_bytes();
        let ledger = Arc::clone(&self.ledger);
        let claim = tokio::task::spawn_blocking(move || ledger.claim(digest))
            .await
            .map_err(|error| Fault::Internal(error.to_string()))?
            .map_err(fault)?;
        let now = self.clock.now();
        let claim = match claim {
            Some(claim) if claim.used_at.is_some() => {
                return Err(Fault::Conflict("claim: traded before; ask for a new one".into()));
            }
            Some(claim) if claim.expires_at <= now => {
                return Err(Fault::Conflict("claim: run out; ask for a new one".into()));
            }
            Some(claim) => claim,
            None => return Err(Fault::NotFound("claim")),
        };
        let credential = self.credential(request.csr.as_deref(), &claim.device)?;
        let row = DeviceRow {
            id: claim.device.clone(),
            kind: claim.kind,
            gate: claim.gate,
            lane: claim.lane,
            standing: DeviceStanding::Approved,
            secret: Some(credential.digest),
            serial: short(&request.serial),
            model: short(&request.model),
            since: now,
        };
        let record = Record::ClaimUsed { digest, at: now, device: Box::new(row.clone()) };
        commit(&*self.ledger, record).await.map_err(fault)?;
        let device = self.registry.put(row);
        let enrolled = Enrolled {
            base: topic::base(&self.park.site().id, &claim.device),
            username: claim.device.to_string(),
            device: claim.device,
            password: credential.password,
            certificate: credential.certificate,
            ca: self.security.ca.clone(),
            scheme: self.security.scheme(),
        };
        Ok((enrolled, device))
    }

    /// Made before the claim is used up: a request that cannot be taken can be sent again.
    fn credential(&self, csr: Option<&str>, device: &DeviceId) -> Result<Credential, Fault> {
        if self.security.profile != Profile::Mtls {
            let password = secret()?;
            let digest = *blake3::hash(password.as_bytes()).as_bytes();
            return Ok(Credential { password: Some(password), certificate: None, digest });
        }
        let csr = csr.ok_or_else(|| {
            let told = "csr: missing, and this site lets devices in by certificate; send a \
                        PKCS#10 request in PEM";
            Fault::Invalid(told.into())
        })?;
        let authority = self.security.authority.as_ref().ok_or_else(|| {
            let told = "csr: devices' certificates are not signed here; set ca_key in [security], \
                        or have it signed by the authority that the site names as ca";
            Fault::Conflict(told.into())
        })?;
        let certificate =
            authority.device(csr, device, self.clock.now()).map_err(|fault| match fault {
                CertificateFault::Request(_) => Fault::Invalid(fault.to_string()),
                other => Fault::Internal(other.to_string()),
            })?;
        let digest = key_digest(&certificate)
            .ok_or_else(|| Fault::Internal("a certificate that was just made".into()))?;
        Ok(Credential { password: None, certificate: Some(certificate), digest })
    }

    /// Gives a device a new secret; the old one stays good for `grace_s` seconds more, or until a
    /// restart.
    pub(crate) async fn rotate(
        &self,
        id: &DeviceId,
        grace_s: u32,
        actor: &str,
    ) -> Result<NewSecret, Fault> {
        if GRACE_S_MAX < grace_s {
            let told = format!("grace_s: {grace_s} is more than {GRACE_S_MAX}, a day");
            return Err(Fault::Invalid(told));
        }
        if self.security.profile == Profile::Mtls {
            let told = "devices have certificates here: make a claim, and enrol it anew";
            return Err(Fault::Conflict(told.into()));
        }
        let _turn = self.turn.lock().await;
        let device = self.registry.get(id.as_str()).ok_or(Fault::NotFound("device"))?;
        if device.standing() != DeviceStanding::Approved {
            return Err(Fault::Conflict("the device is not approved".into()));
        }
        let now = self.clock.now();
        let password = secret()?;
        let digest = *blake3::hash(password.as_bytes()).as_bytes();
        let row = DeviceRow { secret: Some(digest), ..(*device.row()).clone() };
        let note = format!("the old one is good for {grace_s} s");
        self.write(&row, "device.secret", note, actor).await?;
        let old_good_until = now.plus_ms(i64::from(grace_s) * 1000);
        self.registry.replace_secret(row, old_good_until);
        Ok(NewSecret { device: id.clone(), password, old_good_until })
    }

    /// A device may not work any more.
    pub(crate) async fn revoke(
        &self,
        id: &DeviceId,
        reason: &str,
        actor: &str,
    ) -> Result<Arc<Device>, Fault> {
        let reason = reason.trim();
        if reason.is_empty() || REASON_MAX < reason.chars().count() {
            let told = format!("reason: say why, in at most {REASON_MAX} characters");
            return Err(Fault::Invalid(told));
        }
        let _turn = self.turn.lock().await;
        let device = self.registry.get(id.as_str()).ok_or(Fault::NotFound("device"))?;
        let row = DeviceRow { standing: DeviceStanding::Revoked, ..(*device.row()).clone() };
        self.write(&row, "device.revoke", reason.to_owned(), actor).await?;
        Ok(self.registry.put(row))
    }

    async fn write(
        &self,
        row: &DeviceRow,
        action: &'static str,
        note: String,
        actor: &str,
    ) -> Result<(), Fault> {
        let audit = AuditLine {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action: action.into(),
            target: row.id.to_string(),
            note,
        };
        let record = Record::Device { row: Box::new(row.clone()), audit: Some(audit) };
        commit(&*self.ledger, record).await.map(drop).map_err(fault)
    }

    /// A person lets a pending device work.
    pub(crate) async fn approve(&self, id: &DeviceId, actor: &str) -> Result<Arc<Device>, Fault> {
        let _turn = self.turn.lock().await;
        let device = self.registry.get(id.as_str()).ok_or(Fault::NotFound("device"))?;
        let row = DeviceRow { standing: DeviceStanding::Approved, ..(*device.row()).clone() };
        self.write(&row, "device.approve", String::new(), actor).await?;
        Ok(self.registry.put(row))
    }
}

/// Puts the configuration's devices into the registry: new ones are approved, known ones are bound
/// to the place that the configuration says; a secret that was traded stays good.
pub(crate) async fn register(
    specs: &[DeviceSpec],
    park: &Park,
    ledger: &SqliteLedger,
    registry: &Registry,
    clock: &Clock,
) -> Result<(), Fault> {
    for spec in specs {
        check_place(park, spec.gate.as_ref(), spec.lane.as_ref())
            .map_err(|problem| Fault::Invalid(format!("devices: {}: {problem}", spec.id)))?;
        let known = registry.get(spec.id.as_str()).map(|device| device.row());
        let row = DeviceRow {
            id: spec.id.clone(),
            kind: spec.kind,
            gate: spec.gate.clone(),
            lane: spec.lane.clone(),
            standing: known.as_ref().map_or(DeviceStanding::Approved, |row| row.standing),
            secret: known.as_ref().and_then(|row| row.secret),
            serial: known.as_ref().map(|row| row.serial.clone()).unwrap_or_default(),
            model: known.as_ref().map(|row| row.model.clone()).unwrap_or_default(),
            since: known.as_ref().map_or_else(|| clock.now(), |row| row.since),
        };
        if known.as_deref() != Some(&row) {
            let record = Record::Device { row: Box::new(row.clone()), audit: None };
            commit(ledger, record).await.map_err(fault)?;
            registry.put(row);
        }
    }
    Ok(())
}

fn check_place(park: &Park, gate: Option<&GateId>, lane: Option<&LaneId>) -> Result<(), String> {
    let gate = match gate {
        Some(gate) => Some(
            park.gate_ix(gate.as_str())
                .ok_or_else(|| format!("gate: there is no gate {gate}: see /api/v1/site"))?,
        ),
        None => None,
    };
    let Some(lane) = lane else { return Ok(()) };
    let ix = park
        .lane_ix(lane.as_str())
        .ok_or_else(|| format!("lane: there is no lane {lane}: see /api/v1/site"))?;
    let at = park.lane(ix).gate;
    if gate.is_some_and(|gate| gate != at) {
        return Err(format!("lane: {lane} is at gate {}", park.gate(at).id));
    }
    Ok(())
}

fn claim_code() -> Result<String, Fault> {
    let mut bytes = [0; CLAIM_LENGTH];
    fill(&mut bytes)?;
    let mut code = String::with_capacity(CLAIM_LENGTH + 4);
    for (n, byte) in bytes.into_iter().enumerate() {
        if n > 0 && n % 5 == 0 {
            code.push('-');
        }
        code.push(char::from(CLAIM_LETTERS[usize::from(byte) % CLAIM_LETTERS.len()]));
    }
    Ok(code)
}

/// A claim as it is compared: however it was typed.
fn normal(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

fn secret() -> Result<String, Fault> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

fn fill(bytes: &mut [u8]) -> Result<(), Fault> {
    getrandom::fill(bytes).map_err(|error| Fault::Internal(format!("no randomness: {error}")))
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
