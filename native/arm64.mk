# The native programs for arm64, built on another machine: prebuilt/linux-arm64/{sampan-shim,sampan-oci,seam.node}, for the npm
# package (`make native-arm64`). Included by native/Makefile. The cross compiler's own C library is not used: the programs
# take Debian's musl for arm64 (musl-arm64.sh fetches it, or point MUSL_ARM64 to an unpacked one), the seam none.
ARM64_CC ?= aarch64-linux-gnu-gcc
ARM64_NM ?= aarch64-linux-gnu-nm
ARM64_OUT ?= $(NATIVE_DIR)../prebuilt/linux-arm64
MUSL_ARM64 ?= $(abspath $(NATIVE_DIR)..)/.cache/musl-arm64
MUSL_ARM64_LIB := $(MUSL_ARM64)/usr/lib/aarch64-linux-musl
MUSL_ARM64_INCLUDE := $(MUSL_ARM64)/usr/include/aarch64-linux-musl

# No outlined atomics: their start-up code asks glibc which instructions the processor has.
ARM64_MUSL_CFLAGS = -mno-outline-atomics -nostdinc -isystem $(MUSL_ARM64_INCLUDE) -isystem $$($(ARM64_CC) -print-file-name=include)

.PHONY: arm64
arm64: $(ARM64_OUT)/sampan-shim $(ARM64_OUT)/sampan-oci $(ARM64_OUT)/seam.node

# In the recipes, not a target of its own: what is up to date needs no compiler.
define need_arm64_compiler
@command -v $(ARM64_CC) >/dev/null 2>&1 || { \
	echo "native-arm64: missing $(ARM64_CC), to build the package's programs for arm64; install it (Debian: apt-get install gcc-aarch64-linux-gnu)" >&2; \
	exit 1; }
endef

$(MUSL_ARM64_LIB)/libc.a:
	$(need_arm64_compiler)
	@$(NATIVE_DIR)musl-arm64.sh $(MUSL_ARM64)

define build_arm64
	$(need_arm64_compiler)
	@mkdir -p $(ARM64_OUT)
	$(ARM64_CC) $(WARNINGS) $(SHIM_CFLAGS) $(ARM64_MUSL_CFLAGS) $(SHIM_LDFLAGS) -nostdlib \
		$(MUSL_ARM64_LIB)/crt1.o $(MUSL_ARM64_LIB)/crti.o $(1) \
		-Wl,--start-group $(MUSL_ARM64_LIB)/libc.a -lgcc -Wl,--end-group $(MUSL_ARM64_LIB)/crtn.o -o $@.new
	@mv $@.new $@
endef

$(ARM64_OUT)/sampan-shim: $(SHIM_SOURCES) $(HEADERS) $(NATIVE_DIR)Makefile $(NATIVE_DIR)arm64.mk $(MUSL_ARM64_LIB)/libc.a
	$(call build_arm64,$(SHIM_SOURCES))

$(ARM64_OUT)/sampan-oci: $(FRONT_SOURCES) $(HEADERS) $(NATIVE_DIR)Makefile $(NATIVE_DIR)arm64.mk $(MUSL_ARM64_LIB)/libc.a
	$(call build_arm64,$(FRONT_SOURCES))

# Nobody loads the seam here, so a name that no Node provides (a memset the compiler put in) is looked for instead.
$(ARM64_OUT)/seam.node: $(NATIVE_DIR)seam.c $(NATIVE_DIR)seam.mk $(NATIVE_DIR)arm64.mk
	$(need_arm64_compiler)
	@mkdir -p $(ARM64_OUT)
	$(ARM64_CC) $(SEAM_CFLAGS) -mno-outline-atomics -I$(SEAM_INCLUDE) $(NATIVE_DIR)seam.c $(SEAM_LDFLAGS) -o $@.new
	@foreign=$$($(ARM64_NM) -D --undefined-only $@.new | awk '$$2 !~ /^napi_/ { print $$2 }'); \
		[ -z "$$foreign" ] || { echo "native-arm64: seam.node needs what Node does not provide:" $$foreign >&2; exit 1; }
	@mv $@.new $@
