QEMU_ARCH = arm
QEMU_MACHINE = mps2-an505
AFLAGS += -mthumb -mcpu=cortex-m33 -mfpu=fpv5-sp-d16 -mfloat-abi=hard
CFLAGS += $(AFLAGS) -DQEMU_SOC_MPS2 -DMICROPY_HW_MCU_NAME='"Cortex-M33"'
LDSCRIPT = mcu/arm/an505.ld
SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o
MPY_CROSS_FLAGS += -march=armv7emsp
