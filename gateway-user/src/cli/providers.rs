//! `gateway providers`: the catalog as it is in effect, each entry with the file it came from.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Failure, Outcome, args::Common, config, output};
use crate::{
    app,
    provider::{Catalog, Host, Row},
};

/// Lists the catalog, or one provider or host with its routes.
pub fn providers(common: &Common, name: Option<&str>) -> Outcome {
    let catalog = app::catalog(&config::load(common, |_| ())?)?;
    let chosen = chosen(&catalog, name);
    if let (Some(name), true) = (name, chosen.is_empty()) {
        return Err(Failure::from(anyhow::anyhow!(
            "the catalog has no provider and no host called {name}; `gateway providers` lists all"
        )));
    }
    if common.json {
        let all = chosen.iter().map(|host| described(&catalog, host, name.is_some()));
        output::json(&Value::Array(all.collect()));
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = chosen.iter().map(|host| row(&catalog, host)).collect();
    output::table(&["PROVIDER", "HOST", "FAMILY", "REGION", "AUTH", "FROM"], &rows);
    match (name, &chosen[..]) {
        (Some(_), [first, ..]) => routes(first),
        _ => output::line(format_args!("\n{} hosts", chosen.len())),
    }
    Ok(0)
}

/// The hosts of the provider called `name`, else the host that has this name or address; all without a name.
fn chosen(catalog: &Catalog, name: Option<&str>) -> Vec<Arc<Host>> {
    let all = catalog.hosts().into_iter().filter(|host| !host.place().to_string().ends_with(".invalid"));
    let Some(name) = name else { return all.collect() };
    let of: Vec<Arc<Host>> =
        all.filter(|host| host.provider() == name || host.place().to_string() == name).collect();
    match catalog.host(name) {
        Some(host) if of.is_empty() => vec![host],
        _ => of,
    }
}

fn row(catalog: &Catalog, host: &Host) -> Vec<String> {
    let auth: Vec<String> = host.auth().iter().map(ToString::to_string).collect();
    let place =
        if is_on(catalog, host) { host.place().to_string() } else { format!("{} (off)", host.place()) };
    vec![
        host.provider().to_owned(),
        place,
        host.family().to_owned(),
        host.region().unwrap_or_default().to_owned(),
        auth.join(", "),
        host.origin().to_owned(),
    ]
}

/// Local engines are on where the configuration asks for them.
fn is_on(catalog: &Catalog, host: &Host) -> bool {
    match host.place() {
        crate::provider::Place::Endpoint(address) => catalog.endpoint(*address).is_some(),
        crate::provider::Place::Name(_) => true,
    }
}

fn routes(host: &Host) {
    let rows = host.routes().iter().map(|row| {
        let route = row.route();
        let billed = if route.charged && !host.is_local() { "charged" } else { "" };
        vec![
            row.method().unwrap_or("any").to_owned(),
            row.path().to_owned(),
            class(row),
            route.operation.to_string(),
            route.dialect.name().to_owned(),
            billed.to_owned(),
        ]
    });
    output::line("");
    output::table(&["METHOD", "PATH", "CLASS", "OPERATION", "DIALECT", "BILL"], &rows.collect::<Vec<_>>());
}

fn class(row: &Row) -> String {
    serde_json::to_value(row.route().class).map(|class| output::text(&class)).unwrap_or_default()
}

fn described(catalog: &Catalog, host: &Host, with_routes: bool) -> Value {
    let mut described = json!({
        "provider": host.provider(),
        "name": host.name(),
        "host": host.place().to_string(),
        "family": host.family(),
        "region": host.region(),
        "auth": host.auth(),
        "local": host.is_local(),
        "on": is_on(catalog, host),
        "file": host.origin(),
    });
    if with_routes {
        let routes = host.routes().iter().map(|row| {
            json!({
                "method": row.method(),
                "path": row.path(),
                "class": row.route().class,
                "operation": &*row.route().operation,
                "dialect": row.route().dialect.name(),
                "charged": row.route().charged && !host.is_local(),
            })
        });
        described["routes"] = routes.collect();
    }
    described
}
