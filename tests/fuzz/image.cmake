banger_fuzz_target(bzimage SOURCES bzimage_fuzz.cpp LINK banger_kernel)
banger_fuzz_target(modinfo SOURCES modinfo_fuzz.cpp LINK banger_kernel)
banger_fuzz_target(image_tar SOURCES image_tar_fuzz.cpp LINK banger_ext4)
