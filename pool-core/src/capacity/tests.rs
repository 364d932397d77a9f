use proptest::prelude::*;

use super::*;

const W: Duration = Duration::from_millis(80);

fn plan(demand: &Demand) -> Plan {
    demand.plan().expect("it makes sense")
}

fn field(demand: &Demand) -> Field {
    let error = demand.plan().expect_err("it makes no sense");
    let text = error.to_string();
    assert!(text.starts_with(error.field().name()), "{text}");
    assert!(text.contains("; ") && !error.fix().is_empty(), "{text}");
    error.field()
}

#[test]
fn little_holds_and_the_margin_comes_on_top() {
    let plan = plan(&Demand::new(2000.0, W));
    assert_eq!(plan.in_flight, law(160.0));
    // 160 + 3·12.65 + 1.5
    assert_eq!(plan.slots, estimate(200));
    assert_eq!(plan.open, estimate(200));
    assert_eq!(plan.in_all, estimate(200));
    assert_eq!(plan.dials_per_second, law(0.0));
    assert_eq!(plan.open_files, estimate(264));
}

#[test]
fn without_a_margin_it_is_littles_law_rounded_up() {
    // 2000 × 0.08 is not 160 in binary.
    for (rate, slots) in [(2000.0, 160), (2001.0, 161), (1.0, 1), (12.5, 1)] {
        let plan = plan(&Demand::new(rate, W).margin(0.0));
        assert_eq!(plan.open.value, slots, "{rate}");
    }
}

#[test]
fn small_loads_get_a_larger_part_as_margin() {
    let parts = [1.0, 10.0, 100.0, 10_000.0].map(|rate| {
        let plan = plan(&Demand::new(rate, Duration::from_secs(1)));
        plan.slots.value as f64 / plan.in_flight.value
    });
    assert!(parts.is_sorted_by(|a, b| a > b), "{parts:?}");
    assert!(parts[0] > 5.0 && parts[3] < 1.04, "{parts:?}");
}

#[test]
fn streams_divide_the_connections_and_not_the_requests() {
    let plan = plan(&Demand::new(2000.0, W).http2(100));
    assert_eq!(plan.in_flight.value, 160.0);
    assert_eq!(plan.slots.value, 200);
    assert_eq!(plan.open.value, 2);
    assert_eq!(plan.limits(&Limits::default()).streams_per_conn, 100);
}

#[test]
fn a_server_that_closes_is_dialled_as_often_as_it_closes() {
    let demand = Demand::new(2000.0, W).requests_per_conn(100);
    let by_count = plan(&demand);
    assert_eq!(by_count.dials_per_second, law(20.0));
    assert_eq!(by_count.dialling, law(2.0));
    // 2 + 3·√2
    assert_eq!(by_count.dial_places.value, 7);
    assert_eq!(by_count.per_host.value, 207);
    assert_eq!(by_count.dialling_share.value, 0.01);

    // 200 connections, each of which lives for 100 s.
    let by_age = plan(&Demand::new(2000.0, W).lifetime(Duration::from_secs(100)));
    assert_eq!(by_age.dials_per_second, estimate(2.0));
    let both = plan(&demand.clone().lifetime(Duration::from_secs(100)));
    assert_eq!(both.dials_per_second, estimate(22.0));
    // Of 199.4 wanted, 160 are at work.
    let idle = plan(&demand.idle_close(Duration::from_secs(10)));
    assert!((idle.dials_per_second.value - 23.94).abs() < 0.01);
}

#[test]
fn no_more_is_dialled_than_is_requested() {
    let each = plan(&Demand::new(50.0, W).requests_per_conn(1));
    assert_eq!(each.dials_per_second.value, 50.0);
    let demand = Demand::new(0.01, W).lifetime(Duration::from_millis(10));
    assert_eq!(plan(&demand).dials_per_second.value, 0.01);
}

#[test]
fn hosts_share_the_rate_and_each_has_its_own_margin() {
    let one = plan(&Demand::new(100.0, W));
    let ten = plan(&Demand::new(1000.0, W).hosts(10));
    assert_eq!(ten.per_host, one.per_host);
    assert_eq!(ten.in_all.value, 10 * one.in_all.value);
    assert!(ten.in_all.value > plan(&Demand::new(1000.0, W)).in_all.value);
}

#[test]
fn every_pair_of_address_and_source_gets_the_same_number() {
    let plan = plan(&Demand::new(2000.0, W).addresses(8).sources(3));
    assert_eq!((plan.open.value, plan.per_cell.value), (200, 9));
    assert_eq!(plan.per_host.value, 9 * 24);
}

#[test]
fn the_queue_has_room_for_a_stall_and_for_a_cold_start() {
    // With 200 connections opened 50 at a time: four handshakes of 100 ms, in which 800 requests arrive.
    let cold = plan(&Demand::new(2000.0, W));
    assert_eq!(cold.dials_per_host.value, 50);
    assert_eq!(cold.cold_start.value, Duration::from_millis(400));
    // 800 + 3·√800 + 1.5
    assert_eq!(cold.waiters_per_host.value, 887);
    // A percentile below the mean is possible, and does not shorten anything.
    let quick = plan(&Demand::new(2000.0, W).p99(Duration::from_millis(1)));
    assert_eq!(quick.stall.value, W);
    let stuck = plan(&Demand::new(2000.0, W).p99(Duration::from_secs(2)));
    assert!(stuck.waiters_per_host.value > 4000);
    assert_eq!(stuck.open, cold.open, "the mean alone decides on those");
}

#[test]
fn files_that_do_not_suffice_are_named_with_a_rate_that_fits() {
    let demand = Demand::new(2000.0, W);
    assert_eq!(plan(&demand).fit, Fit::Unknown);
    let demand = demand.open_files(264);
    assert_eq!(plan(&demand).fit, Fit::Fits { available: 264 });
    let demand = demand.open_files(263);
    let Fit::TooFewFiles {
        needed: 264,
        available: 263,
        rate: Some(rate),
    } = plan(&demand).fit
    else {
        panic!("{:?}", plan(&demand).fit);
    };
    assert!(rate < 2000.0, "{rate}");
    let within = Demand { rate, ..demand };
    assert_eq!(plan(&within).fit, Fit::Fits { available: 263 });
    // One connection more, and it fits no longer.
    let above = Demand {
        rate: rate * 1.01,
        ..within
    };
    assert!(matches!(plan(&above).fit, Fit::TooFewFiles { .. }));
}

#[test]
fn where_hosts_alone_are_too_many_no_rate_fits() {
    for files in [0, 64, 163] {
        let demand = Demand::new(1.0, W).hosts(100).open_files(files);
        let fit = plan(&demand).fit;
        assert!(
            matches!(fit, Fit::TooFewFiles { rate: None, available, .. } if available == files),
            "{fit:?}"
        );
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let demand = || Demand::new(100.0, W);
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, -0.0, f64::MIN_POSITIVE] {
        assert_eq!(field(&Demand::new(rate, W)), Field::Rate, "{rate}");
    }
    for (wrong, named) in [
        (Demand::new(1.0, Duration::ZERO), Field::Latency),
        (demand().p99(Duration::ZERO), Field::P99),
        (demand().http2(0), Field::Streams),
        (demand().requests_per_conn(0), Field::RequestsPerConn),
        (demand().lifetime(Duration::ZERO), Field::Lifetime),
        (demand().idle_close(Duration::ZERO), Field::IdleClose),
        (demand().hosts(0), Field::Hosts),
        (demand().addresses(0), Field::Addresses),
        (demand().sources(0), Field::Sources),
        (demand().margin(-1.0), Field::Margin),
        (demand().margin(f64::NAN), Field::Margin),
        (demand().margin(f64::INFINITY), Field::Margin),
    ] {
        assert_eq!(field(&wrong), named);
    }
}

#[test]
fn absurd_numbers_overflow_nothing_and_are_named() {
    let demand = || Demand::new(100.0, W);
    for (wrong, named) in [
        (Demand::new(f64::MAX, W), Field::Rate),
        (Demand::new(100.0, Duration::MAX), Field::Rate),
        (demand().p99(Duration::MAX), Field::Rate),
        (
            demand().addresses(usize::MAX).sources(usize::MAX),
            Field::Addresses,
        ),
        (
            Demand::new(1e12, W).http2(usize::MAX).hosts(1 << 40),
            Field::Hosts,
        ),
        (
            demand().requests_per_conn(1).handshake(Duration::MAX),
            Field::Handshake,
        ),
    ] {
        assert_eq!(field(&wrong), named, "{wrong:?}");
    }
    assert_eq!(plan(&demand().http2(usize::MAX)).open.value, 1);
    assert_eq!(plan(&demand().requests_per_conn(u64::MAX)).open.value, 18);
}

#[test]
fn limits_that_a_plan_says_nothing_about_stay() {
    let others = Limits {
        per_endpoint: 500,
        idle_total: 10,
        fair_turn: 3,
        waiters_per_host: 7,
        ..Limits::default()
    };
    let limits = plan(&Demand::new(100.0, W)).limits(&others);
    assert_eq!((limits.per_host, limits.per_endpoint), (18, 18));
    assert_eq!((limits.idle_total, limits.fair_turn), (10, 3));
    assert_eq!(limits.idle_per_host, usize::MAX);
    // Raised to what it takes; the total is long enough.
    assert!(limits.waiters_per_host > 40, "{limits:?}");
    assert_eq!(limits.waiters_total, 16_384);
}

#[test]
fn erlangs_formula_agrees_with_its_tables() {
    // Computed by the definition with fractions, which do not round.
    for (in_flight, slots, share) in [
        (0.5, 1, 0.5),
        (1.0, 2, 1.0 / 3.0),
        (2.0, 3, 4.0 / 9.0),
        (10.0, 12, 0.449_388),
        (160.0, 200, 0.001_377),
    ] {
        let computed = waiting_share(in_flight, slots);
        assert!(
            (computed - share).abs() < 1e-6,
            "{in_flight} {slots}: {computed}"
        );
    }
    assert_eq!(waiting_share(5.0, 5), 1.0);
    assert_eq!(waiting_share(1.0, 0), 1.0);
    assert_eq!(waiting_share(f64::NAN, 1), 0.0);
    assert_eq!(waiting_share(f64::MIN_POSITIVE, usize::MAX), 0.0);
}

/// The claims that the documentation of the margin makes, at every load.
#[test]
fn the_default_margin_leaves_998_of_1000_a_free_slot() {
    for (z, share) in [(2.0, 0.035), (MARGIN, 0.002), (4.0, 0.0001)] {
        let mut load = 1e-4;
        while load < 1e7 {
            let slots = count(upper(load, z), Field::Rate).expect("small");
            let waiting = waiting_share(load, slots);
            assert!(waiting <= share, "{waiting} at {load} with {z}");
            load *= 1.01;
        }
    }
}

fn demands() -> impl Strategy<Value = Demand> {
    let time = |most: f64| (0.001..most).prop_map(Duration::from_secs_f64);
    let load = (0.01..50_000.0_f64, time(3.0), 0.0..4.0_f64);
    let closing = (
        proptest::option::of(1_u64..5000),
        proptest::option::of(time(900.0)),
        proptest::option::of(time(900.0)),
        time(0.5),
    );
    let shape = (
        proptest::option::of(1_usize..300),
        1_usize..20,
        1_usize..9,
        1_usize..9,
    );
    (load, closing, shape).prop_map(
        |(
            (rate, latency, z),
            (n, lifetime, idle, handshake),
            (streams, hosts, addresses, sources),
        )| {
            Demand {
                streams,
                requests_per_conn: n,
                lifetime: lifetime.unwrap_or(Duration::MAX),
                idle_close: idle.unwrap_or(Duration::MAX),
                ..Demand::new(rate, latency)
            }
            .margin(z)
            .handshake(handshake)
            .hosts(hosts)
            .addresses(addresses)
            .sources(sources)
        },
    )
}

/// Everything that must not fall when more is asked for.
fn sizes(plan: &Plan) -> [u64; 6] {
    [
        plan.slots.value as u64,
        plan.open.value as u64,
        plan.per_host.value as u64,
        plan.in_all.value as u64,
        plan.open_files.value,
        plan.heap_bytes.value,
    ]
}

fn grows(less: &Plan, more: &Plan) -> bool {
    sizes(less).iter().zip(sizes(more)).all(|(a, b)| *a <= b)
}

proptest! {
    #[test]
    fn more_requests_or_slower_ones_never_take_less(demand in demands(), by in 1.0..3.0_f64) {
        let before = plan(&demand);
        let rate = Demand { rate: demand.rate * by, ..demand.clone() };
        prop_assert!(grows(&before, &plan(&rate)));
        let latency = Demand { latency: demand.latency.mul_f64(by), ..demand.clone() };
        prop_assert!(grows(&before, &plan(&latency)));
        let margin = Demand { margin: demand.margin + by, ..demand };
        prop_assert!(grows(&before, &plan(&margin)));
    }

    #[test]
    fn a_plan_is_never_below_littles_law(demand in demands()) {
        let plan = plan(&demand);
        let streams = demand.streams.unwrap_or(1) as f64;
        let least = demand.rate * demand.latency.as_secs_f64() / demand.hosts as f64;
        prop_assert!(plan.slots.value as f64 >= least * (1.0 - 1e-9));
        prop_assert!(plan.open.value as f64 * streams >= least * (1.0 - 1e-9));
        let dialling = plan.dials_per_second.value * demand.handshake.as_secs_f64();
        prop_assert!(plan.per_host.value as f64 * streams >= least * (1.0 - 1e-9) + dialling);
        prop_assert!(plan.dials_per_second.value <= plan.rate_per_host.value);
        prop_assert!(plan.waiters_per_host.value as f64 >= plan.rate_per_host.value * demand.latency.as_secs_f64());
        prop_assert!((0.0..=1.0).contains(&plan.waiting_share.value));
    }

    #[test]
    fn http2_takes_its_streams_part_of_what_http1_takes(demand in demands(), streams in 1_usize..300) {
        let h1 = plan(&Demand { streams: None, ..demand.clone() });
        let h2 = plan(&Demand { streams: Some(streams), ..demand });
        prop_assert_eq!(h1.slots, h2.slots);
        prop_assert_eq!(h2.open.value, h1.open.value.div_ceil(streams));
    }

    #[test]
    fn the_limits_of_a_plan_make_a_valid_configuration(demand in demands()) {
        let mut config = crate::Config::default();
        config.limits = plan(&demand).limits(&config.limits);
        prop_assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn a_rate_that_is_said_to_fit_fits(demand in demands(), files in 65_u64..5000) {
        let demand = demand.open_files(files);
        match plan(&demand).fit {
            Fit::Fits { available } => prop_assert_eq!(available, files),
            Fit::TooFewFiles { needed, rate: Some(rate), .. } => {
                prop_assert!(needed > files && rate < demand.rate);
                let within = plan(&Demand { rate, ..demand });
                prop_assert_eq!(within.fit, Fit::Fits { available: files });
            }
            Fit::TooFewFiles { rate: None, .. } => {
                prop_assert!((demand.hosts * demand.addresses * demand.sources) as u64 + 64 > files - 64);
            }
            Fit::Unknown => prop_assert!(false, "the files are known"),
        }
    }

    #[test]
    fn no_number_panics(
        rate: f64, latency: Duration, streams: Option<usize>, n: Option<u64>, handshake: Duration,
        hosts: usize, cells in (any::<usize>(), any::<usize>()), margin: f64, files: Option<u64>,
    ) {
        let demand = Demand {
            streams, hosts, margin, handshake, requests_per_conn: n, open_files: files,
            addresses: cells.0, sources: cells.1, ..Demand::new(rate, latency)
        };
        let _outcome = demand.plan();
    }
}
