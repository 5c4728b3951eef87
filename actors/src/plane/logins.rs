//! What is asked about the devices' logins: a new secret, or that a device may not work any more.

use shanmen_protocols::ids::DeviceId;

use super::{ControlPlane, to_the_end};
use crate::{
    api::{Fault, NewSecret},
    security::Security,
};

impl ControlPlane {
    /// How devices speak to the broker.
    pub fn security(&self) -> &Security {
        &self.0.office.enrolment.security
    }

    /// Gives a device a new secret, told once; the old one stays good for `grace_s` seconds, 86,400
    /// at most, or until a restart. A connection that came in by the old one is cut then.
    pub async fn rotate_secret(
        &self,
        id: &DeviceId,
        grace_s: u32,
        actor: &str,
    ) -> Result<NewSecret, Fault> {
        let (plane, id, actor) = (self.clone(), id.clone(), actor.to_owned());
        to_the_end(async move { plane.0.office.enrolment.rotate(&id, grace_s, &actor).await })
            .await?
    }

    /// A device may not work any more: it is not let in, and where the broker is our own its
    /// connections are cut. Gives how many were.
    pub async fn revoke(&self, id: &DeviceId, reason: &str, actor: &str) -> Result<usize, Fault> {
        let (plane, id) = (self.clone(), id.clone());
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        to_the_end(async move {
            plane.0.office.enrolment.revoke(&id, &reason, &actor).await?;
            let cut = plane.0.shared.link.cut(id.as_str());
            tracing::warn!(device = %id, connections = cut, "a device was revoked");
            plane.show(&id);
            Ok(cut)
        })
        .await?
    }
}
