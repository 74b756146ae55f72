banger_fuzz_target(git_listing SOURCES git_listing_fuzz.cpp LINK banger_cli)
