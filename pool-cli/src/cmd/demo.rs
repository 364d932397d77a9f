pub(crate) fn run(
    _: &crate::args::DemoArgs,
    _: u64,
) -> Result<crate::exit::Exit, crate::exit::Failure> {
    todo!()
}
