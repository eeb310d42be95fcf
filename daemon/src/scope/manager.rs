//! systemd over D-Bus: org.freedesktop.systemd1(5).

use futures_util::StreamExt as _;
use zbus::{
    Connection, Proxy,
    zvariant::{OwnedObjectPath, Value},
};

const DESTINATION: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Manager";

/// The body of `JobRemoved`: number, job, unit, result.
type JobRemoved = (u32, OwnedObjectPath, String, String);

/// Starts a scope with one process in it, and waits until systemd has done so.
pub(super) async fn start(unit: &str, agent: &str, pid: u32) -> Result<(), String> {
    // A connection for each: a bus that was restarted meanwhile makes no difference.
    let bus = Connection::system().await.map_err(|cause| {
        format!("cannot reach the system's D-Bus: {cause}; run 'systemctl start dbus.socket'")
    })?;
    let failed = |cause: zbus::Error| format!("systemd refuses: {cause}");
    let manager = Proxy::new(&bus, DESTINATION, PATH, INTERFACE).await.map_err(failed)?;
    // Before the call: a job can be done before its name has come back.
    let mut removed = manager.receive_signal("JobRemoved").await.map_err(failed)?;
    let properties: [(&str, Value<'_>); 4] = [
        ("Description", Value::from(format!("holdpoint agent '{agent}'"))),
        ("Slice", Value::from("system.slice")),
        ("CollectMode", Value::from("inactive-or-failed")),
        ("PIDs", Value::from(vec![pid])),
    ];
    let others: [(&str, Vec<(&str, Value<'_>)>); 0] = [];
    // "fail": a unit of this name is never touched.
    let arguments = (unit, "fail", &properties[..], &others[..]);
    let job: OwnedObjectPath = manager.call("StartTransientUnit", &arguments).await.map_err(failed)?;
    while let Some(signal) = removed.next().await {
        let Ok((_, of, _, result)) = signal.body().deserialize::<JobRemoved>() else { continue };
        if of == job {
            return if result == "done" { Ok(()) } else { Err(format!("systemd's job ended as '{result}'")) };
        }
    }
    Err("the system's D-Bus ended the connection".to_owned())
}
