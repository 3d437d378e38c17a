# The kernel seam, build/native/seam.node. On its own: make -f native/seam.mk; or included by native/Makefile.
# Only headers are needed, from the Node that npm installed; any Node ≥ 18 loads the result.
SEAM_DIR := $(dir $(lastword $(MAKEFILE_LIST)))
SEAM_ARCH ?= $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x64)
SEAM_CC ?= cc
SEAM_OUT ?= $(SEAM_DIR)../build/native
SEAM_INCLUDE ?= $(SEAM_DIR)../node_modules/node-linux-$(SEAM_ARCH)/include/node

SEAM_CFLAGS := -std=c11 -O2 -g0 -fPIC -ffreestanding -fvisibility=hidden -fno-stack-protector \
	-fno-asynchronous-unwind-tables -Wall -Wextra -Werror
SEAM_LDFLAGS := -shared -nostdlib -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack -Wl,--build-id=none -s

.PHONY: seam
seam: $(SEAM_OUT)/seam.node

$(SEAM_OUT)/seam.node: $(SEAM_DIR)seam.c $(SEAM_DIR)seam.mk
	@mkdir -p $(SEAM_OUT)
	$(SEAM_CC) $(SEAM_CFLAGS) -I$(SEAM_INCLUDE) $(SEAM_DIR)seam.c $(SEAM_LDFLAGS) -o $@.new
	@mv $@.new $@
