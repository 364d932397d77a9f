//! The workspace's own packages in what `cargo metadata` says.

use serde_json::Value;
use std::collections::BTreeSet;

/// The packages of the workspace's members.
pub(crate) fn members(metadata: &Value) -> Vec<&Value> {
    let ids: BTreeSet<&str> = metadata["workspace_members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|package| package["id"].as_str().is_some_and(|id| ids.contains(id)))
        .collect()
}
